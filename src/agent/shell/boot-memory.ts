import type { HostState, LatchState } from "../../platform/host-state.ts";
import type { BootMemory } from "../agent-config.ts";

/** Begins a start of this boot's agent: what the ones before it have left under `/run`. */
export function beginStart(hostState: HostState, bootID: string): BootMemory {
  const { uncleanStarts, unconfirmedWrite } = hostState.beginStart();
  return {
    mark: latchMark(hostState.latch(), bootID),
    firstRead: hostState.firstRead()?.messages ?? null,
    deviceUUID: hostState.owner()?.deviceUUID ?? null,
    uncleanStarts,
    unconfirmedWrite,
  };
}

/** A mark that is there and cannot be read counts: somebody condemned this boot. */
function latchMark(latch: LatchState, bootID: string): BootMemory["mark"] {
  switch (latch.kind) {
    case "none":
      return null;
    case "latched":
      return { bootID, ...latch.mark };
    case "unreadable":
      return { bootID, epoch: 0, reason: 0, fencer: `unknown (${latch.detail})` };
  }
}
