import { setTimeout as delay } from "node:timers/promises";

import type { DiskWorker } from "../../platform/disk-worker-handle.ts";
import {
  NO_SIGHTINGS,
  sameFenceSlot,
  sightFences,
  sightHeartbeats,
} from "../../observation/sightings.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { FenceRecord } from "../../protocol/fence-record.ts";
import { deriveTiming, type TimingContract } from "../../timing/contract.ts";
import { judgeAcknowledged } from "../acknowledged.ts";
import type { Evidence } from "../evidence.ts";
import type { FenceTarget } from "../fence-case.ts";
import { readPass } from "./device-pass.ts";

export type AcknowledgedDeathOptions = {
  readonly device: DiskWorker;
  /** Null: the device has no readable header, and nothing tells it from another. */
  readonly deviceUUID: string | null;
  readonly target: FenceTarget;
  /** The longer of the header's and the target's own. */
  readonly contract: TimingContract;
  /** What stands in the target's fence slot. */
  readonly message: FenceRecord;
  /** Once a pass. */
  readonly onWait: (waitedMs: number, ofMs: number) => void;
};

/**
 * Waits until the acknowledgement of a message that stands proves the death, and writes nothing.
 * Null where none can come of it: not acknowledged, not armed, or the message is gone.
 *
 * @throws {Error} with a text for people: the device could not be read
 */
export async function awaitAcknowledgedDeath(
  options: AcknowledgedDeathOptions,
): Promise<Evidence | null> {
  const { device, target, message, contract } = options;
  const timing = deriveTiming(contract);
  const startedMs = hostClock.rawMs();
  let sightings = NO_SIGHTINGS;
  for (;;) {
    const passStartedMs = hostClock.rawMs();
    const pass = await readPass(device, target.nodeID, options.deviceUUID);
    sightings = sightFences(sightHeartbeats(sightings, pass.heartbeats), pass.fences);
    const standing = sightings.fences.get(target.nodeID);
    if (!standing || !sameFenceSlot(standing.slot, { kind: "fence", record: message })) {
      return null;
    }
    const nowMs = hostClock.rawMs();
    const verdict = judgeAcknowledged({
      nowMs,
      target,
      request: { uid: message.requestUID, finalizerMs: startedMs, epochs: [message.epoch] },
      message: { record: message, submittedMs: null, durableMs: standing.shownMs },
      timing,
      sightings,
      node: null,
      confirmation: null,
      cluster: null,
    });
    if (verdict.kind === "proven") {
      return verdict.evidence;
    }
    if (!verdict.missing.every(({ code }) => code === "ACKNOWLEDGED_WAIT")) {
      return null;
    }
    options.onWait(nowMs - startedMs, timing.acknowledgedWaitMs);
    await delay(Math.max(0, passStartedMs + timing.passIntervalMs - hostClock.rawMs()));
  }
}
