import type { SystemError } from "./errno.ts";

/**
 * Why the shared device could not be used.
 *
 * - `NOT_FOUND`               nothing is at the path, or a file is missing in the directory
 * - `NOT_A_DEVICE`            neither block device, directory nor regular file
 * - `PERMISSION`              this process may not open it
 * - `READ_ONLY`               it cannot be written
 * - `NO_DIRECT_IO`            it cannot be read past the page cache
 * - `UNSUPPORTED_BLOCK_SIZE`  its logical blocks are larger than a slot may be
 * - `TOO_SMALL`               it does not hold both regions
 * - `HELD`                    it is mounted, or another driver has it, on this machine
 * - `OPEN_FAILED`             any other failure to open it
 * - `READ_FAILED`             the kernel reported an error for a read
 * - `SHORT_READ`              a read ended early
 * - `WRITE_FAILED`            the kernel reported an error for a write
 * - `SHORT_WRITE`             a write ended early; what the device holds now is unknown
 * - `SYNC_FAILED`             the device did not confirm earlier writes; what it holds is unknown
 * - `OUT_OF_RANGE`            the caller's offset or length is outside of the region
 * - `MISALIGNED`              the caller's offset or length is not whole blocks
 * - `CLOSED`                  the caller has closed it
 */
export type BlockDeviceErrorCode =
  | "NOT_FOUND"
  | "NOT_A_DEVICE"
  | "PERMISSION"
  | "READ_ONLY"
  | "NO_DIRECT_IO"
  | "UNSUPPORTED_BLOCK_SIZE"
  | "TOO_SMALL"
  | "HELD"
  | "OPEN_FAILED"
  | "READ_FAILED"
  | "SHORT_READ"
  | "WRITE_FAILED"
  | "SHORT_WRITE"
  | "SYNC_FAILED"
  | "OUT_OF_RANGE"
  | "MISALIGNED"
  | "CLOSED";

/** Thrown by the shared device. `cause` is the `SystemError` where a system call failed. */
export class BlockDeviceError extends Error {
  override readonly name = "BlockDeviceError";
  readonly code: BlockDeviceErrorCode;

  constructor(code: BlockDeviceErrorCode, message: string, options?: { cause: SystemError }) {
    super(message, options);
    this.code = code;
  }
}
