import { ProtocolError } from "./error.ts";
import { badField, FieldReader, isZero } from "./field-reader.ts";
import { FieldWriter } from "./field-writer.ts";
import { isValidStride, requireStride, SBD_SLOT_SIZE } from "./layout.ts";
import { requireSeal, requireSlotLength, sealRecord } from "./record-frame.ts";
import { orUnreadable } from "./unreadable.ts";
import type { Unreadable } from "./unreadable.ts";

/** First eight bytes of the device, in ASCII. */
export const DEVICE_MAGIC = "SBDDEV01";
/** The one version of the device format. */
export const DEVICE_FORMAT_VERSION = 1;

/** What an agent does when the device is lost: die within the bound, or live while the API vouches. */
export type OnStorageLoss = "SelfFence" | "SurviveWithApi";

/** Slot 0 of the device: whose it is, and the contract that everybody on it lives by. */
export type DeviceHeader = {
  readonly formatVersion: number;
  /** Identity of this initialisation of the device, a lower-case UUID with dashes. */
  readonly deviceUUID: string;
  /** 1 at the first initialisation, one more at each later one. */
  readonly generation: number;
  /** Distance from slot to slot in bytes: max(512, logical block size) at initialisation. */
  readonly strideBytes: number;
  /** UID of the SBDConfig that owns the device; the nil UUID where there is none. */
  readonly configUID: string;
  /** UID of the kube-system namespace; the nil UUID where there is none. */
  readonly clusterUID: string;
  /** For people, at most 63 bytes of UTF-8; may be empty. */
  readonly clusterName: string;
  /** T. */
  readonly timeoutMs: number;
  /** W. */
  readonly watchdogMs: number;
  readonly onStorageLoss: OnStorageLoss;
  /** Wall clock, Unix nanoseconds. */
  readonly createdNs: bigint;
};

/** Everything slot 0 can hold. */
export type HeaderSlot =
  | { readonly kind: "empty" }
  | { readonly kind: "header"; readonly header: DeviceHeader }
  | Unreadable;

const MAGIC_HEX = "5342444445563031";
const CLUSTER_NAME_MAX_BYTES = 63;
const SEAL_OFFSET = 508;
const ON_STORAGE_LOSS_CODES: { readonly [Choice in OnStorageLoss]: number } = {
  SelfFence: 1,
  SurviveWithApi: 2,
};

/**
 * Device header as the `strideBytes` bytes of slot 0.
 *
 * @throws ProtocolError `BAD_VERSION`, or `BAD_FIELD` for a value that is out of range, also where
 * `strideBytes` is not the header's own
 */
export function encodeDeviceHeader(header: DeviceHeader, strideBytes: number): Uint8Array {
  requireStride(strideBytes);
  if (header.strideBytes !== strideBytes) {
    throw new ProtocolError(
      "BAD_FIELD",
      `Cannot write the device header as it says a stride of ${header.strideBytes} bytes on a device with ${strideBytes}`,
    );
  }
  if (header.formatVersion !== DEVICE_FORMAT_VERSION) throw badVersion(header.formatVersion);
  const bytes = new Uint8Array(strideBytes);
  const fields = new FieldWriter(bytes, 0);
  fields.hex("magic", MAGIC_HEX, 8);
  fields.u16("formatVersion", header.formatVersion);
  fields.u16("strideBytes", strideBytes);
  fields.u32("generation", requirePositive("generation", header.generation));
  fields.uuid("deviceUUID", header.deviceUUID);
  fields.uuid("configUID", header.configUID);
  fields.uuid("clusterUID", header.clusterUID);
  fields.u32("timeoutMs", requirePositive("timeoutMs", header.timeoutMs));
  fields.u32("watchdogMs", requirePositive("watchdogMs", header.watchdogMs));
  fields.u8("onStorageLoss", ON_STORAGE_LOSS_CODES[header.onStorageLoss]);
  fields.u64Big("createdNs", header.createdNs);
  fields.text("clusterName", header.clusterName, 0, CLUSTER_NAME_MAX_BYTES);
  sealRecord(bytes);
  return bytes;
}

/**
 * What slot 0 holds, from its first 512 bytes: more may be given, since the stride is known only
 * afterwards. Never throws, whatever the bytes.
 */
export function decodeDeviceHeader(bytes: Uint8Array): HeaderSlot {
  return orUnreadable(() => decode(bytes));
}

function decode(bytes: Uint8Array): HeaderSlot {
  requireSlotLength(bytes);
  if (isZero(bytes, 0, SBD_SLOT_SIZE)) return { kind: "empty" };
  const fields = new FieldReader(bytes, 0);
  const magic = fields.hex("magic", 8);
  if (magic !== MAGIC_HEX) {
    throw new ProtocolError(
      "BAD_MAGIC",
      `Cannot accept the device as it must start with "${DEVICE_MAGIC}": its first bytes are ${magic}`,
    );
  }
  // Every version keeps its CRC-32C here, so that a broken version is not taken for a newer one.
  requireSeal(bytes);
  const formatVersion = fields.u16("formatVersion");
  if (formatVersion !== DEVICE_FORMAT_VERSION) throw badVersion(formatVersion);

  const strideBytes = fields.u16("strideBytes");
  if (!isValidStride(strideBytes)) throw badField("strideBytes", `is ${strideBytes}`);
  const header = {
    formatVersion,
    strideBytes,
    generation: positive("generation", fields),
    deviceUUID: fields.uuid("deviceUUID"),
    configUID: fields.uuid("configUID"),
    clusterUID: fields.uuid("clusterUID"),
    timeoutMs: positive("timeoutMs", fields),
    watchdogMs: positive("watchdogMs", fields),
    onStorageLoss: onStorageLossOf(fields.u8("onStorageLoss")),
    createdNs: fields.u64Big("createdNs"),
    clusterName: fields.text("clusterName", 0, CLUSTER_NAME_MAX_BYTES),
  };
  fields.finish(fields.offset, SEAL_OFFSET);
  return { kind: "header", header };
}

function onStorageLossOf(code: number): OnStorageLoss {
  if (code === ON_STORAGE_LOSS_CODES.SelfFence) return "SelfFence";
  if (code === ON_STORAGE_LOSS_CODES.SurviveWithApi) return "SurviveWithApi";
  throw badField("onStorageLoss", `is ${code}, which this program does not know`);
}

function positive(field: string, fields: FieldReader): number {
  const value = fields.u32(field);
  if (value === 0) throw badField(field, "is 0");
  return value;
}

function requirePositive(field: string, value: number): number {
  if (value >= 1) return value;
  throw new ProtocolError(
    "BAD_FIELD",
    `Cannot write the device header as '${field}' must be at least 1: current value is ${value}`,
  );
}

function badVersion(version: number): ProtocolError {
  return new ProtocolError(
    "BAD_VERSION",
    `Cannot use a device of format version ${version}: this program knows version ${DEVICE_FORMAT_VERSION} only`,
  );
}
