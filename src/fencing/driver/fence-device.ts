import type { FenceRecord, FenceSlot } from "../../protocol/fence-record.ts";

/**
 * The device as a driver of fencers and slot tasks sees it. Requests are carried out one after another in
 * the order in which they were asked for; each is answered once, which a hung device may put off for ever.
 */
export type FenceDevice = {
  readFence(nodeID: number, answer: (read: DeviceAnswer<FenceSlot>) => void): void;
  /** Write, flush, read back. */
  writeFence(record: FenceRecord, answer: (written: DeviceAnswer<FenceWritten>) => void): void;
  /** The same, if the slot still holds what is expected or is as unreadable as that. */
  replaceFence(
    expected: FenceSlot,
    record: FenceRecord,
    answer: (replaced: DeviceAnswer<FenceReplaced>) => void,
  ): void;
};

/** A device that takes longer to answer has failed over, or is gone. */
export const DEVICE_WITHIN_MS = 60_000;

export type DeviceAnswer<Reply> =
  | { readonly ok: true; readonly reply: Reply }
  /** What was asked for may still happen, at any time. */
  | { readonly ok: false; readonly error: string };

export type FenceWritten = {
  readonly readBack: FenceSlot;
  /** After the read-back, on the clock that suspend stops. */
  readonly endedMs: number;
};

export type FenceReplaced = {
  readonly replaced: boolean;
  /** What stands there now. */
  readonly readBack: FenceSlot;
};
