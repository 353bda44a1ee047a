import type { FenceSlot } from "../protocol/fence-record.ts";

/** The own fence slot holds what is neither empty nor a record. */
export type UnreadableFenceSlot = {
  /** Wall clock of the first pass that read it so, Unix nanoseconds; for people and to name it by. */
  readonly sinceWallNs: bigint;
  /** A second pass has read it so. */
  readonly lasting: boolean;
};

/**
 * What a pass knows about the own fence slot after it has read `fence` there; null = it can be read.
 * One reading may have met a message half written, so only the second makes it last. A pass that
 * could not read the device says nothing, and leaves it as it was.
 */
export function noteFenceSlot(
  before: UnreadableFenceSlot | null,
  fence: FenceSlot,
  wallNs: bigint,
): UnreadableFenceSlot | null {
  if (fence.kind !== "unreadable") {
    return null;
  }
  return before === null
    ? { sinceWallNs: wallNs, lasting: false }
    : { sinceWallNs: before.sinceWallNs, lasting: true };
}
