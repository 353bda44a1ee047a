import { movedLate } from "./end-of-life.ts";
import { recordIn, sameFenceSlot, type Sightings } from "../observation/sightings.ts";
import type { FenceRecord, FenceSlot } from "../protocol/fence-record.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import { countsFromMs } from "./fence-case.ts";
import { fenceCase, mayAddress, targetTiming } from "./fencer-case.ts";
import type { FencerState, MessageState, OpenRequest } from "./fencer-state.ts";
import type { FencerMoment, FencerStep } from "./fencer-step.ts";
import { bootToAddressAnew } from "./rebooted.ts";
import { isGranted, noteEpoch, openRequests } from "./requests.ts";

/** Attempts at one message before the fencer says that it cannot write. */
export const WRITE_ATTEMPTS_MAX = 5;

/** Writes the message, guards it while it stands, and writes it anew when it is not what it was. */
export function tendMessage(state: FencerState, moment: FencerMoment): FencerStep {
  const guarded = supersede(state, moment.nowMs);
  const adopted = yieldToNewer(adopt(guarded, moment.nowMs));
  const { message } = adopted;
  switch (message.kind) {
    case "none":
      return writeFirst(adopted, moment);
    case "retrying":
      return writeAgain(adopted, message, moment);
    case "writing":
    case "standing":
    case "unwritable":
      return { state: adopted, effects: [] };
  }
}

/** What was read back is what was written, or the write has failed. */
export function written(
  state: FencerState,
  event: { readonly nonce: string; readonly readBack: FenceSlot; readonly endedMs: number },
  nowMs: number,
): FencerState {
  const { message } = state;
  if (message.kind !== "writing" || message.record.nonce !== event.nonce) {
    return state;
  }
  const { record, firstSubmittedMs } = message;
  return sameFenceSlot(event.readBack, { kind: "fence", record })
    ? {
        ...state,
        message: {
          kind: "standing",
          record,
          submittedMs: firstSubmittedMs,
          durableMs: event.endedMs,
        },
      }
    : writeFailed(
        state,
        { nonce: event.nonce, error: `read back ${event.readBack.kind}, not what was written` },
        nowMs,
      );
}

export function writeFailed(
  state: FencerState,
  event: { readonly nonce: string; readonly error: string },
  nowMs: number,
): FencerState {
  const { message } = state;
  if (message.kind !== "writing" || message.record.nonce !== event.nonce) {
    return state;
  }
  const { record, attempt, firstSubmittedMs } = message;
  const { error } = event;
  return {
    ...state,
    message:
      attempt >= WRITE_ATTEMPTS_MAX
        ? { kind: "unwritable", record, firstSubmittedMs, error }
        : { kind: "retrying", record, attempt, firstSubmittedMs, failedMs: nowMs, error },
  };
}

/** The slot's last heartbeat, if it is the target's and both slots were read within T: whom to address. */
export function addressee(state: FencerState, nowMs: number): HeartbeatRecord | null {
  const { config, sightings } = state;
  const record = recordIn(sightings.heartbeats.get(config.target.nodeID));
  return record !== null &&
    record.nodeName === config.target.nodeName &&
    nowMs - lastLookMs(sightings) <= config.contract.timeoutMs
    ? record
    : null;
}

/** Start of the older of the two regions' last reads. */
function lastLookMs({ heartbeatsRead, fencesRead }: Sightings): number {
  return Math.min(heartbeatsRead?.startedMs ?? -Infinity, fencesRead?.startedMs ?? -Infinity);
}

/** Gives a standing message up when it is not what this fencer wrote, or not what is needed. */
function supersede(state: FencerState, nowMs: number): FencerState {
  const { message, sightings, config } = state;
  const unproven = openRequests(state).filter(({ proof }) => proof === null);
  if (message.kind !== "standing" || unproven.length === 0) {
    return state;
  }
  const readSince = (sightings.fencesRead?.startedMs ?? -Infinity) >= message.durableMs;
  const stands = sightings.fences.get(config.target.nodeID);
  const differs =
    readSince &&
    (stands === undefined ||
      !sameFenceSlot(stands.slot, { kind: "fence", record: message.record }));
  const useless = unproven.some((request) => {
    const fence = fenceCase(state, request, nowMs);
    if (fence === null) return false;
    const anew = bootToAddressAnew(fence);
    return movedLate(fence) || (anew !== null && mayAddress(state, request, anew, nowMs));
  });
  return differs || useless
    ? {
        ...state,
        message: { kind: "none" },
        supersededEpoch: Math.max(state.supersededEpoch, message.record.epoch),
      }
    : state;
}

/**
 * Takes over a message that already stands, dated by this fencer's own first sight of it; also one
 * of its own that landed after its attempt had failed.
 *
 * It need not be addressed to the boot that beats now: that boot may be the one which proves the
 * addressed one dead, and to address it would reboot it a second time.
 */
function adopt(state: FencerState, nowMs: number): FencerState {
  const { config, sightings, message } = state;
  const sight = sightings.fences.get(config.target.nodeID);
  const boot = addressee(state, nowMs);
  const request = granting(state, nowMs)[0] ?? null;
  if (
    message.kind === "writing" ||
    message.kind === "standing" ||
    sight?.slot.kind !== "fence" ||
    boot === null ||
    request === null ||
    sight.slot.record.targetMachineID !== boot.machineID ||
    sight.slot.record.epoch < state.recordedEpoch ||
    sight.slot.record.epoch <= state.supersededEpoch
  ) {
    return state;
  }
  const { record } = sight.slot;
  const fromMs = countsFromMs(record, sight.shownMs, request);
  if (record.targetBootID !== boot.bootID && beganBefore(state, boot, fromMs)) {
    return state;
  }
  const own =
    message.kind !== "none" &&
    message.record.epoch === record.epoch &&
    record.fencerName === config.name;
  const submittedMs = own ? message.firstSubmittedMs : null;
  return {
    ...noteEpoch(state, record, submittedMs),
    message: { kind: "standing", record, submittedMs, durableMs: sight.shownMs },
  };
}

function beganBefore(state: FencerState, boot: HeartbeatRecord, instantMs: number): boolean {
  const slot = state.sightings.heartbeats.get(state.config.target.nodeID);
  const sighting = slot?.boots.find(({ record }) => record.bootID === boot.bootID);
  return sighting !== undefined && sighting.bootMaxMs < instantMs;
}

/** A message whose attempts fail is given up when its epoch no longer exceeds what is known. */
function yieldToNewer(state: FencerState): FencerState {
  const { message, config } = state;
  if (message.kind !== "retrying") {
    return state;
  }
  const { epoch } = message.record;
  const slot = state.sightings.fences.get(config.target.nodeID)?.slot;
  const standing = slot?.kind === "fence" || slot?.kind === "cleared" ? slot.record : null;
  const outranked =
    state.recordedEpoch > epoch ||
    (standing !== null &&
      (standing.epoch > epoch ||
        (standing.epoch === epoch && standing.fencerName !== config.name)));
  return outranked
    ? {
        ...state,
        message: { kind: "none" },
        supersededEpoch: Math.max(state.supersededEpoch, epoch),
      }
    : state;
}

function writeFirst(state: FencerState, moment: FencerMoment): FencerStep {
  const boot = addressee(state, moment.nowMs);
  const request = boot === null ? null : writer(state, boot.bootID, moment.nowMs);
  if (boot === null || request === null) {
    return { state, effects: [] };
  }
  const { config } = state;
  const sequence = state.sequence + 1;
  const record: FenceRecord = {
    senderID: config.nodeID,
    timestampNs: moment.wallNs,
    sequence,
    targetNodeID: config.target.nodeID,
    reason: request.reason,
    epoch: nextEpoch(state),
    nonce: moment.nonce,
    requestUID: request.uid,
    targetBootID: boot.bootID,
    targetMachineID: boot.machineID,
    fencerName: config.name,
    msgwaitMs: targetTiming(state).msgwaitMs,
  };
  return submit({ ...state, sequence }, record, 1, moment.nowMs);
}

/** The same message with a fresh nonce, so that the failed attempt cannot pass for this one. */
function writeAgain(
  state: FencerState,
  failed: MessageState & { readonly kind: "retrying" },
  moment: FencerMoment,
): FencerStep {
  const boot = addressee(state, moment.nowMs);
  const due = moment.nowMs - failed.failedMs >= targetTiming(state).passIntervalMs;
  if (!due || boot === null || writer(state, boot.bootID, moment.nowMs) === null) {
    return { state, effects: [] };
  }
  if (boot.bootID !== failed.record.targetBootID) {
    const supersededEpoch = Math.max(state.supersededEpoch, failed.record.epoch);
    return writeFirst({ ...state, supersededEpoch, message: { kind: "none" } }, moment);
  }
  const sequence = state.sequence + 1;
  const record = { ...failed.record, sequence, timestampNs: moment.wallNs, nonce: moment.nonce };
  return submit({ ...state, sequence }, record, failed.attempt + 1, failed.firstSubmittedMs);
}

function submit(
  state: FencerState,
  record: FenceRecord,
  attempt: number,
  firstSubmittedMs: number,
): FencerStep {
  const noted = noteEpoch(state, record, firstSubmittedMs);
  return {
    state: { ...noted, message: { kind: "writing", record, attempt, firstSubmittedMs } },
    effects: [{ type: "write-fence", record }],
  };
}

/** An unproven request that grants a write to that boot now, or null. */
function writer(state: FencerState, bootID: string, nowMs: number): OpenRequest | null {
  return (
    granting(state, nowMs).find((request) => mayAddress(state, request, bootID, nowMs)) ?? null
  );
}

/**
 * Unproven requests that grant a write now. Both slots must have been read since their finalizers: an
 * epoch that was used and obeyed before must not be used for them again.
 */
function granting(state: FencerState, nowMs: number): readonly OpenRequest[] {
  return openRequests(state).filter(
    (request) =>
      request.proof === null &&
      isGranted(state, request, nowMs) &&
      lastLookMs(state.sightings) >= request.finalizerMs,
  );
}

/** Greater than every epoch that was used on this slot, as far as this fencer can know. */
function nextEpoch({ sightings, config, recordedEpoch, supersededEpoch }: FencerState): number {
  const read = sightings.epochs.get(config.target.nodeID) ?? 0;
  return 1 + Math.max(read, recordedEpoch, supersededEpoch);
}
