import { longestTiming, type Timing } from "../timing/contract.ts";
import type { FenceCase } from "./fence-case.ts";
import type { FencerState, OpenRequest } from "./fencer-state.ts";

/** The case for one request, once a message stands; null before. */
export function fenceCase(
  state: FencerState,
  request: OpenRequest,
  nowMs: number,
): FenceCase | null {
  const { config, message } = state;
  return message.kind === "standing"
    ? {
        nowMs,
        target: config.target,
        request,
        message,
        timing: targetTiming(state),
        sightings: state.sightings,
        node: state.node,
        confirmation: request.confirmation,
        cluster: config.cluster,
      }
    : null;
}

/**
 * A target lives by the contract it started with, so the longer of its own and the header's counts,
 * also when its slot shows something else by now.
 */
export function targetTiming(state: FencerState): Timing {
  const { contract, target } = state.config;
  const boots = state.sightings.heartbeats.get(target.nodeID)?.boots ?? [];
  return longestTiming(
    contract,
    boots.map(({ record }) => record),
  );
}
