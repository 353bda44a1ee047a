import type { DeviceHeader, HeaderSlot } from "../protocol/device-header.ts";
import { whyNotOwned, type DeviceOwner } from "../timing/device-agreement.ts";
import type { Trouble } from "./agent-state.ts";

/**
 * Why the device under the path is not the one this process lives by, or null where it is.
 *
 * @param expected what the process has pinned, or what earlier agents of this boot lived by; these
 *   have judged whose it is, and a node that lives by it must not lose it over that
 * @param owner whose it must be, asked of a device that nobody here has lived by; null = anybody's
 */
export function whyNotOurDevice(
  slot: HeaderSlot,
  samePath: boolean,
  expected: DeviceHeader | { readonly deviceUUID: string } | null,
  owner: DeviceOwner | null,
): Trouble | null {
  if (!samePath) {
    return {
      detail:
        "the device path leads to another file than the open one; let it lead to the shared device again, " +
        "or delete this agent's pod where the new one is meant",
      vouchable: false,
    };
  }
  switch (slot.kind) {
    case "empty":
      return {
        detail:
          "the device header is blank: it was never initialised, or is not our device. Condition " +
          "DeviceReady of the SBDConfig tells which",
        vouchable: expected !== null,
      };
    case "unreadable":
      return {
        detail:
          `the device header is unreadable: ${slot.detail}. Another program wrote to the device: end ` +
          `that, stop the agents and initialise the device again`,
        vouchable: true,
      };
    case "header":
      return expected === null ? whyNotTheirs(slot.header, owner) : whyOther(slot.header, expected);
  }
}

function whyNotTheirs(found: DeviceHeader, owner: DeviceOwner | null): Trouble | null {
  const detail = whyNotOwned(found, owner);
  return detail === null ? null : { detail, vouchable: false };
}

function whyOther(
  found: DeviceHeader,
  expected: DeviceHeader | { readonly deviceUUID: string },
): Trouble | null {
  if (found.deviceUUID !== expected.deviceUUID) {
    return {
      detail:
        `the device is ${found.deviceUUID}, not ours (${expected.deviceUUID}); bring that one back under ` +
        `this path, or delete the SBDConfig and create it anew for this one`,
      vouchable: false,
    };
  }
  if (
    "generation" in expected &&
    (found.generation !== expected.generation ||
      found.timeoutMs !== expected.timeoutMs ||
      found.watchdogMs !== expected.watchdogMs)
  ) {
    return {
      detail:
        `the device was initialised again (generation ${found.generation}, this agent lives by ` +
        `${expected.generation}); delete this agent's pod, so that the next one lives by it`,
      vouchable: false,
    };
  }
  return null;
}
