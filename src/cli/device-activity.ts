import { isDeepStrictEqual } from "node:util";

import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import type { DeviceSurvey } from "./device-survey.ts";

/** What changed on a device from one look to the next: somebody writes there. */
export type DeviceActivity = {
  /** Node IDs whose heartbeat slot changed in any way, whoever wrote what, ascending. */
  readonly moved: readonly number[];
  /** Node IDs whose fence slot changed, ascending. */
  readonly fencesChanged: readonly number[];
  readonly headerChanged: boolean;
};

export function activityBetween(before: DeviceSurvey, after: DeviceSurvey): DeviceActivity {
  return {
    moved: changed(before.heartbeats, after.heartbeats),
    fencesChanged: changed(before.fences, after.fences),
    headerChanged: !isDeepStrictEqual(before.header, after.header),
  };
}

/** `slot 3 (node-c), a fence message for slot 4`; empty where nothing changed. */
export function describeActivity(activity: DeviceActivity, survey: DeviceSurvey): string {
  return [
    ...activity.moved.map((nodeID) => describeSlot(nodeID, survey.heartbeats.get(nodeID))),
    ...activity.fencesChanged.map((nodeID) => `a fence message for slot ${nodeID}`),
    ...(activity.headerChanged ? ["the device header"] : []),
  ].join(", ");
}

/** `slot 3 (node-c)`. */
export function describeSlot(nodeID: number, slot: HeartbeatSlot | undefined): string {
  switch (slot?.kind) {
    case "heartbeat":
      return `slot ${nodeID} (${slot.record.nodeName})`;
    case "bare-heartbeat":
      return `slot ${nodeID} (a Go agent)`;
    default:
      return `slot ${nodeID}`;
  }
}

function changed<Slot>(
  before: ReadonlyMap<number, Slot>,
  after: ReadonlyMap<number, Slot>,
): number[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((nodeID) => !isDeepStrictEqual(before.get(nodeID), after.get(nodeID)))
    .toSorted((a, b) => a - b);
}
