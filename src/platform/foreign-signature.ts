import fs from "node:fs";

import { DEVICE_SIZE_MIN_BYTES } from "../protocol/layout.ts";
import { DirectFile } from "./direct-file.ts";

/** The ends of a device, as far as anybody puts signatures there. */
export type DeviceEnds = {
  /** From offset 0: all that initialisation writes over, or the whole device if it is smaller. */
  readonly head: Uint8Array;
  /** Up to the end: `SIGNATURE_TAIL_BYTES`, or the whole device if it is smaller. */
  readonly tail: Uint8Array;
  readonly sizeBytes: number;
};

/** What initialisation writes over: all of it is looked at, and no signature stands further in. */
export const SIGNATURE_HEAD_BYTES = DEVICE_SIZE_MIN_BYTES;
/** md's 0.90 superblock begins at the last 64 KiB boundary that leaves 64 KiB. */
export const SIGNATURE_TAIL_BYTES = 128 * 1024;
const ZFS_FIRST_LABEL_BYTES = 256 * 1024;

const OWN_MAGIC = "SBDDEV01";
const OWN_MESSAGE_MAGIC = "SBDMSG01";

type Magic = { readonly name: string; readonly offset: number; readonly bytes: Uint8Array };

function text(name: string, offset: number, magic: string): Magic {
  return { name, offset, bytes: new TextEncoder().encode(magic) };
}

function raw(name: string, offset: number, ...bytes: number[]): Magic {
  return { name, offset, bytes: Uint8Array.from(bytes) };
}

/** 4 KiB to 64 KiB, the page sizes of the machines that wrote the swap header. */
const PAGE_SIZES = [4096, 8192, 16384, 32768, 65536];
/** The label may be in any of the first four sectors. */
const LVM_SECTORS = [0, 1, 2, 3];

/** What stands inside a partition before what the partition table itself looks like. */
const MAGICS: readonly Magic[] = [
  text("ClusterLabs sbd", 0, "SBD_SBD_"),
  raw("LUKS", 0, 0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe),
  raw("LUKS", 0x4000, 0x53, 0x4b, 0x55, 0x4c, 0xba, 0xbe),
  text("xfs", 0, "XFSB"),
  text("btrfs", 0x10040, "_BHRfS_M"),
  raw("ext2/3/4", 0x438, 0x53, 0xef),
  ...LVM_SECTORS.map((sector) => text("LVM2 PV", sector * 512 + 24, "LVM2 001")),
  ...PAGE_SIZES.flatMap((page) => [
    text("swap", page - 10, "SWAPSPACE2"),
    text("swap", page - 10, "SWAP-SPACE"),
  ]),
  text("iso9660", 0x8001, "CD001"),
  raw("md raid", 0, 0xfc, 0x4e, 0x2b, 0xa9),
  raw("md raid", 4096, 0xfc, 0x4e, 0x2b, 0xa9),
  text("GPT partition table", 512, "EFI PART"),
  text("GPT partition table", 4096, "EFI PART"),
];

/**
 * What else the device already holds, by name, or null: nothing, or a device of ours. Anything not
 * recognised in what initialisation writes over is "unknown data". Ask before initialising a device.
 */
export function foreignSignature(ends: DeviceEnds): string | null {
  if (startsWith(ends.head, 0, new TextEncoder().encode(OWN_MAGIC))) return null;
  return (
    MAGICS.find((magic) => startsWith(ends.head, magic.offset, magic.bytes))?.name ??
    zfsLabel(ends.head.subarray(128 * 1024, ZFS_FIRST_LABEL_BYTES)) ??
    signatureAtTheEnd(ends) ??
    partitionTable(ends.head) ??
    messagesWithoutHeader(ends.head) ??
    unknownData(ends.head)
  );
}

/**
 * `foreignSignature` of the device at a path, read past the page cache.
 *
 * @throws BlockDeviceError
 */
export function readForeignSignature(path: string): string | null {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return null;
  const file = new DirectFile(path);
  try {
    const block = file.logicalBlockBytes;
    const wholeBytes = file.sizeBytes - (file.sizeBytes % block);
    if (wholeBytes === 0) return null;
    const headBytes = Math.min(SIGNATURE_HEAD_BYTES, wholeBytes);
    const tailBytes = Math.min(SIGNATURE_TAIL_BYTES, wholeBytes);
    return foreignSignature({
      head: file.read(0, headBytes),
      tail: file.read(wholeBytes - tailBytes, tailBytes),
      sizeBytes: wholeBytes,
    });
  } finally {
    file.close();
  }
}

function unknownData(head: Uint8Array): string | null {
  const offset = head.findIndex((byte) => byte !== 0);
  return offset === -1 ? null : `unknown data at byte ${offset}`;
}

function startsWith(bytes: Uint8Array, offset: number, magic: Uint8Array): boolean {
  return (
    offset >= 0 &&
    offset + magic.length <= bytes.length &&
    magic.every((byte, index) => bytes[offset + index] === byte)
  );
}

/** Uberblocks fill the second half of a label, one each KiB, in either byte order. */
function zfsLabel(uberblocks: Uint8Array): string | null {
  const magics = [
    Uint8Array.of(0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0),
    Uint8Array.of(0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c),
  ];
  for (let offset = 0; offset < uberblocks.length; offset += 1024)
    if (magics.some((magic) => startsWith(uberblocks, offset, magic))) return "zfs";
  return null;
}

/** Signatures that count from the end, which outlive a wiped beginning. */
const MAGICS_FROM_THE_END: readonly Magic[] = [
  text("backup GPT partition table", -512, "EFI PART"),
  text("backup GPT partition table", -4096, "EFI PART"),
  text("Intel RAID", -1024, "Intel Raid ISM Cfg Sig. "),
  raw("DDF RAID", -512, 0xde, 0x11, 0xde, 0x11),
];

function signatureAtTheEnd(ends: DeviceEnds): string | null {
  const { tail, sizeBytes } = ends;
  const found = MAGICS_FROM_THE_END.find(({ offset, bytes }) =>
    startsWith(tail, tail.length + offset, bytes),
  );
  // A pool's last label fills the last 256 KiB of what whole labels fit in.
  const lastLabelEnd = tail.length - (sizeBytes % ZFS_FIRST_LABEL_BYTES);
  const uberblocks = tail.subarray(
    Math.max(0, lastLabelEnd - 128 * 1024),
    Math.max(0, lastLabelEnd),
  );
  return found?.name ?? mdAtTheEnd(ends) ?? zfsLabel(uberblocks);
}

/** Superblocks 0.90 (last whole 64 KiB but one) and 1.0 (8 KiB to 12 KiB before the end). */
function mdAtTheEnd({ tail, sizeBytes }: DeviceEnds): string | null {
  const tailStart = sizeBytes - tail.length;
  const places = [
    sizeBytes - (sizeBytes % 65536) - 65536,
    Math.floor((sizeBytes - 8192) / 4096) * 4096,
  ];
  const magic = Uint8Array.of(0xfc, 0x4e, 0x2b, 0xa9);
  const found = places.some((at) => at >= tailStart && startsWith(tail, at - tailStart, magic));
  return found ? "md raid" : null;
}

function partitionTable(head: Uint8Array): string | null {
  return startsWith(head, 510, Uint8Array.of(0x55, 0xaa))
    ? "MBR partition table or boot sector"
    : null;
}

/** Devices of the original Go package have messages in slots of 512 bytes and no header. */
function messagesWithoutHeader(head: Uint8Array): string | null {
  const magic = new TextEncoder().encode(OWN_MESSAGE_MAGIC);
  for (let offset = 0; offset < head.length; offset += 512)
    if (startsWith(head, offset, magic)) return "sbd messages without a device header";
  return null;
}
