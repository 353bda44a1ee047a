import fs from "node:fs";

import { STRIDE_MAX_BYTES } from "../protocol/layout.ts";
import { BlockDeviceError, type BlockDeviceErrorCode } from "./block-device-error.ts";
import { SystemError } from "./errno.ts";
import { native } from "./native.ts";

/** Whether the path still names what was opened; a link, a rename or a new device may have come. */
export type PathIdentity =
  | { readonly kind: "same" }
  | { readonly kind: "replaced"; readonly detail: string }
  | { readonly kind: "gone"; readonly detail: string };

/**
 * What a buffer holds before a read. A driver that reports success and transfers less leaves it
 * standing, where zeroes would look like an empty slot.
 */
export const POISON_BYTE = 0xa5;

/**
 * A block device or regular file, read and written past the page cache, synchronously.
 *
 * A call lasts as long as the storage takes, for ever if it hangs: use it on a thread that can be
 * spared. Writes are durable after `sync`, not before; the file is not opened with O_DSYNC, so that
 * the caller decides which writes are worth a flush of the device's cache.
 */
export class DirectFile {
  readonly path: string;
  readonly kind: "block" | "file";
  readonly sizeBytes: number;
  /** Reads and writes are whole blocks of this size. */
  readonly logicalBlockBytes: number;
  readonly #opened: fs.BigIntStats;
  #fd: number;
  #scratch = alignedBuffer(STRIDE_MAX_BYTES);

  /** @throws BlockDeviceError */
  constructor(path: string) {
    this.path = path;
    requireUsableType(path);
    this.#fd = openDirect(path);
    try {
      this.#opened = fs.fstatSync(this.#fd, { bigint: true });
      this.kind = this.#opened.isBlockDevice() ? "block" : "file";
      if (this.kind === "block") {
        const sizes = blockSizes(this.#fd, path);
        this.sizeBytes = sizes.sizeBytes;
        this.logicalBlockBytes = sizes.logical;
      } else {
        this.sizeBytes = Number(this.#opened.size);
        this.logicalBlockBytes = probeBlockBytes(this.#fd, path);
      }
    } catch (error) {
      native.close(this.#fd);
      throw error;
    }
  }

  /** @throws BlockDeviceError `READ_FAILED`, `SHORT_READ`, `MISALIGNED`, `CLOSED` */
  read(offset: number, length: number): Uint8Array {
    const buffer = this.#prepare(offset, length, "read");
    buffer.fill(POISON_BYTE, 0, length);
    const got = native.pread(this.#fd, buffer, 0, length, offset);
    if (got < 0) {
      throw failed("READ_FAILED", got, `Cannot read ${this.#place(offset, length)}`, HURTS_PASS);
    }
    if (got !== length) {
      throw new BlockDeviceError(
        "SHORT_READ",
        `Read only ${got} bytes of ${this.#place(offset, length)}, so nothing is known of what it ` +
          `holds and this pass is not a good one. If the device has shrunk, restore its size.`,
      );
    }
    return new Uint8Array(buffer.subarray(0, length));
  }

  /** @throws BlockDeviceError `WRITE_FAILED`, `SHORT_WRITE`, `MISALIGNED`, `CLOSED` */
  write(offset: number, bytes: Uint8Array): void {
    const buffer = this.#prepare(offset, bytes.length, "write");
    buffer.set(bytes);
    const put = native.pwrite(this.#fd, buffer, 0, bytes.length, offset);
    const place = this.#place(offset, bytes.length);
    if (put < 0) throw failed("WRITE_FAILED", put, `Cannot write ${place}`, HURTS_PASS);
    if (put !== bytes.length) {
      throw new BlockDeviceError(
        "SHORT_WRITE",
        `Wrote only ${put} bytes of ${place}, so the record there may be torn. It is written ` +
          `anew by the next pass; check the storage if this repeats.`,
      );
    }
  }

  /** @throws BlockDeviceError `SYNC_FAILED`, `CLOSED` */
  sync(): void {
    this.#requireOpen();
    const result = native.fdatasync(this.#fd);
    if (result < 0) {
      throw failed(
        "SYNC_FAILED",
        result,
        `Cannot flush ${this.path}`,
        "so earlier writes may be lost and count as not written; check the storage",
      );
    }
  }

  /** Whether the path still leads to the open file. Never throws. */
  identity(): PathIdentity {
    let now: fs.BigIntStats;
    try {
      now = fs.statSync(this.path, { bigint: true });
    } catch (error) {
      return { kind: "gone", detail: `${this.path} cannot be looked up: ${String(error)}` };
    }
    const same =
      this.kind === "block"
        ? now.isBlockDevice() && now.rdev === this.#opened.rdev
        : now.dev === this.#opened.dev && now.ino === this.#opened.ino;
    if (same) return { kind: "same" };
    const was = this.kind === "block" ? `device ${this.#opened.rdev}` : `inode ${this.#opened.ino}`;
    const is = this.kind === "block" ? `device ${now.rdev}` : `inode ${now.ino}`;
    return { kind: "replaced", detail: `${this.path} was ${was} and is ${is} now` };
  }

  close(): void {
    if (this.#fd < 0) return;
    native.close(this.#fd);
    this.#fd = -1;
  }

  #requireOpen(): void {
    if (this.#fd >= 0) return;
    throw new BlockDeviceError("CLOSED", `Cannot use ${this.path} as it has been closed`);
  }

  /** The scratch buffer, large enough, once the transfer is known to be whole blocks. */
  #prepare(offset: number, length: number, verb: string): Buffer {
    this.#requireOpen();
    const block = this.logicalBlockBytes;
    if (offset % block !== 0 || length % block !== 0 || length <= 0) {
      throw new BlockDeviceError(
        "MISALIGNED",
        `Cannot ${verb} ${this.#place(offset, length)} as it must be whole blocks of ${block} bytes`,
      );
    }
    if (length > this.#scratch.length) this.#scratch = alignedBuffer(length);
    return this.#scratch;
  }

  #place(offset: number, length: number): string {
    return `${length} bytes at offset ${offset} of ${this.path}`;
  }
}

const HURTS_PASS =
  "so this pass is not a good one; after the timeout without a good pass the node reboots. " +
  "Check the path to the storage";

function alignedBuffer(sizeBytes: number): Buffer {
  const buffer = native.alignedBuffer(sizeBytes);
  if (typeof buffer !== "number") return buffer;
  throw new SystemError(buffer, `Cannot allocate ${sizeBytes} aligned bytes`);
}

function failed(
  code: BlockDeviceErrorCode,
  errno: number,
  what: string,
  consequence: string,
): BlockDeviceError {
  const cause = new SystemError(errno, what);
  return new BlockDeviceError(code, `${cause.message}; ${consequence}.`, { cause });
}

function requireUsableType(path: string): void {
  let stats: fs.Stats | undefined;
  try {
    stats = fs.statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw openFailed(path, error instanceof Error && "errno" in error ? Number(error.errno) : 0);
  }
  if (stats === undefined) {
    throw new BlockDeviceError(
      "NOT_FOUND",
      `There is nothing at ${path}, so this node has no shared device and is not protected. ` +
        `Check that the volume is attached and that the path is the one it is mounted at.`,
    );
  }
  if (stats.isBlockDevice() || stats.isFile()) return;
  throw new BlockDeviceError(
    "NOT_A_DEVICE",
    `${path} is neither a block device nor a regular file, so it cannot carry heartbeats. ` +
      `Use a volume with volumeMode Block, or a directory of a shared filesystem.`,
  );
}

function openDirect(path: string): number {
  // A first read, not the open, may be where a filesystem refuses O_DIRECT; probeBlockBytes sees that.
  const fd = native.open(path, fs.constants.O_RDWR | fs.constants.O_DIRECT, 0);
  if (fd < 0) throw openFailed(path, fd);
  return fd;
}

function openFailed(path: string, errno: number): BlockDeviceError {
  const cause = new SystemError(errno, `Cannot open ${path}`);
  switch (cause.code) {
    case "ENOENT":
      return new BlockDeviceError(
        "NOT_FOUND",
        `${cause.message}, so this node is not protected. Check that the volume is attached.`,
        { cause },
      );
    case "EINVAL":
      return noDirectIO(path, cause);
    case "EROFS":
      return readOnly(path, cause);
    case "EACCES":
    case "EPERM":
      return new BlockDeviceError(
        "PERMISSION",
        `${cause.message}, so this node is not protected. The container must be privileged and ` +
          `the volume must be writable.`,
        { cause },
      );
    default:
      return new BlockDeviceError(
        "OPEN_FAILED",
        `${cause.message}, so this node is not protected. Check the storage and its path.`,
        { cause },
      );
  }
}

function noDirectIO(path: string, cause: SystemError): BlockDeviceError {
  return new BlockDeviceError(
    "NO_DIRECT_IO",
    `${path} cannot be read and written past the page cache (O_DIRECT), so a node could live on ` +
      `what it cached while the storage is gone. Use a raw block volume, or a filesystem with O_DIRECT.`,
    { cause },
  );
}

function readOnly(path: string, cause?: SystemError): BlockDeviceError {
  return new BlockDeviceError(
    "READ_ONLY",
    `${path} is read-only, so this node can write no heartbeat and is not protected. ` +
      `Attach the volume for writing.`,
    cause === undefined ? undefined : { cause },
  );
}

function blockSizes(fd: number, path: string): { sizeBytes: number; logical: number } {
  const sizes = native.blockSizes(fd);
  if (typeof sizes === "number") throw openFailed(path, sizes);
  if (sizes.readOnly) throw readOnly(path);
  if (sizes.logical > STRIDE_MAX_BYTES) {
    throw new BlockDeviceError(
      "UNSUPPORTED_BLOCK_SIZE",
      `${path} has logical blocks of ${sizes.logical} bytes, so a write for one node would touch ` +
        `the slots of others. Use a device with blocks of at most ${STRIDE_MAX_BYTES} bytes.`,
    );
  }
  return sizes;
}

/** The smallest block that a file on this filesystem can be read in; 512 where it can choose. */
function probeBlockBytes(fd: number, path: string): number {
  const buffer = alignedBuffer(STRIDE_MAX_BYTES);
  for (const size of [512, STRIDE_MAX_BYTES]) {
    const got = native.pread(fd, buffer, 0, size, size);
    if (got >= 0) return size;
    const cause = new SystemError(got, `Cannot read ${path}`);
    if (cause.code !== "EINVAL") throw failed("READ_FAILED", got, cause.message, HURTS_PASS);
    if (size === STRIDE_MAX_BYTES) throw noDirectIO(path, cause);
  }
  throw new TypeError("unreachable: the last size returns or throws");
}
