import type { SlotSighting } from "../observation/sightings.ts";
import type { FenceTarget } from "./fence-case.ts";

/**
 * Why waiting will not prove this target dead, as far as its slot tells; null where it may. It is
 * said at once and fails the request when it has lasted for M, so that a rollout, a late reboot or an administrator can
 * still prove it.
 */
export function whyUnfencable(
  slot: SlotSighting | undefined,
  target: FenceTarget,
): UnfencableReason | null {
  const held = slot?.slot ?? { kind: "empty" as const };
  switch (held.kind) {
    case "empty":
      return { code: "NO_SLOT", detail: "no agent of this node has ever beaten in its slot" };
    case "bare-heartbeat":
    case "bare-fence":
      return {
        code: "GO_AGENT",
        detail: "the slot holds a heartbeat that names no boot, as Go agents write",
      };
    case "unreadable":
      return null;
    case "heartbeat":
      break;
  }
  const { record } = held;
  if (record.nodeName !== target.nodeName) {
    return { code: "OTHER_NODE", detail: `the slot belongs to ${record.nodeName}` };
  }
  if (record.detectOnly) {
    return { code: "DETECT_ONLY", detail: "its agent runs with detectOnly and obeys no message" };
  }
  if (record.leaving) {
    return { code: "LEFT", detail: "its agent left in order and released the watchdog" };
  }
  if (!record.armed && !record.fenced) {
    return { code: "NOT_ARMED", detail: "its watchdog was never armed in this boot" };
  }
  return null;
}

export type UnfencableReason = {
  readonly code: "NO_SLOT" | "GO_AGENT" | "OTHER_NODE" | "DETECT_ONLY" | "LEFT" | "NOT_ARMED";
  readonly detail: string;
};
