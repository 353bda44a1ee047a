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
 * Whether a message to that boot is in the request's sense. A request is about the boot that the Node told
 * when it was accepted, and may be heard of late: the node may have rebooted since, and be well. So another
 * boot is addressed only while the kubelet has not told it; one that it has told is the operator's to ask for.
 */
export function mayAddress(
  { config, node }: FencerState,
  { answeredMs, nodeBootID }: OpenRequest,
  bootID: string,
  nowMs: number,
): boolean {
  if (config.cluster === null) {
    return true;
  }
  const isMeant = nodeBootID === "" || nodeBootID === bootID;
  const isFresh = node !== null && nowMs - node.last.startedMs <= config.contract.timeoutMs;
  return answeredMs !== null && (isMeant || (isFresh && node.last.bootID !== bootID));
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
