import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { DEVICE } from "./bench/samples.ts";
import { decodeDeviceHeader, encodeDeviceHeader } from "./device-header.ts";
import type { DeviceHeader } from "./device-header.ts";
import { sealRecord } from "./record-frame.ts";

// Made with Python's struct and a bitwise CRC-32C.
const GOLDEN_START =
  "534244444556303101000002030000000f8fad5bd9cb469fa16570867728950e7c9e6679742540de944be07fc1f90ae70000000000000000000000000000000088130000102700000215cd8dbb91d4b3180470726f64";
const GOLDEN_END = "9fcb86ef";

const u32 = fc.integer({ min: 1, max: 0xffff_ffff });
const arbitraryHeader: fc.Arbitrary<DeviceHeader> = fc.record(
  {
    formatVersion: fc.constant(1),
    deviceUUID: fc.uuid(),
    generation: u32,
    strideBytes: fc.constantFrom(512, 1024, 2048, 4096),
    configUID: fc.uuid(),
    clusterUID: fc.uuid(),
    clusterName: fc
      .string({ unit: "grapheme", maxLength: 20 })
      .filter((text) => Buffer.byteLength(text) <= 63),
    timeoutMs: u32,
    watchdogMs: u32,
    onStorageLoss: fc.constantFrom("SelfFence", "SurviveWithApi"),
    createdNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  },
  { noNullPrototype: true },
);

function unreadableCode(bytes: Uint8Array): string {
  const slot = decodeDeviceHeader(bytes);
  return slot.kind === "unreadable" ? slot.code : slot.kind;
}

test("a device header has the bytes that its table says", () => {
  const bytes = encodeDeviceHeader(DEVICE, 512);
  const hex = Buffer.from(bytes).toString("hex");
  assert.equal(hex, GOLDEN_START.padEnd(1016, "0") + GOLDEN_END);
  assert.deepEqual(decodeDeviceHeader(bytes), { kind: "header", header: DEVICE });
});

test("every device header comes back as it was, whatever follows its 512 bytes", () => {
  fc.assert(
    fc.property(arbitraryHeader, (header) => {
      const bytes = encodeDeviceHeader(header, header.strideBytes);
      assert.equal(bytes.length, header.strideBytes);
      const longer = new Uint8Array(8192).fill(0xa5);
      longer.set(bytes);
      longer.fill(0xa5, 512);
      assert.deepEqual(decodeDeviceHeader(bytes), { kind: "header", header });
      assert.deepEqual(decodeDeviceHeader(longer), { kind: "header", header });
    }),
  );
});

test("only zeros are an empty device", () => {
  assert.deepEqual(decodeDeviceHeader(new Uint8Array(512)), { kind: "empty" });
  for (const at of [0, 100, 511]) {
    const bytes = new Uint8Array(512);
    bytes[at] = 1;
    assert.equal(unreadableCode(bytes), "BAD_MAGIC");
  }
});

test("every single broken bit of a device header is found", () => {
  for (let bit = 0; bit < 512 * 8; bit++) {
    const bytes = encodeDeviceHeader(DEVICE, 512);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(unreadableCode(bytes), bit < 64 ? "BAD_MAGIC" : "BAD_CHECKSUM", `bit ${bit}`);
  }
});

test("an unknown format version is refused by number", () => {
  const bytes = encodeDeviceHeader(DEVICE, 512);
  bytes[8] = 3;
  sealRecord(bytes);
  const slot = decodeDeviceHeader(bytes);
  assert.ok(slot.kind === "unreadable" && slot.code === "BAD_VERSION");
  assert.match(slot.detail, /format version 3/);
});

test("any bytes of any length give a header that encodes back to them, empty or unreadable", () => {
  const kinds = new Set<string>();
  const mutated = fc
    .array(fc.tuple(fc.nat(503), fc.integer({ min: 0, max: 255 })), { maxLength: 3 })
    .map((changes) => {
      const bytes = encodeDeviceHeader(DEVICE, 512);
      for (const [at, value] of changes) bytes[at] = value;
      sealRecord(bytes);
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 1100, size: "max" })), (bytes) => {
      const slot = decodeDeviceHeader(bytes);
      kinds.add(slot.kind === "unreadable" ? slot.code : slot.kind);
      if (slot.kind !== "header") return;
      const { header } = slot;
      assert.deepEqual(encodeDeviceHeader(header, header.strideBytes).subarray(0, 512), bytes);
    }),
    { seed: 1, numRuns: 1000 },
  );
  for (const kind of ["header", "TOO_SHORT", "BAD_MAGIC", "BAD_FIELD"]) assert.ok(kinds.has(kind));
  assert.ok([...kinds].every((kind) => kind !== "empty"));
});

test("values that do not fit are refused by name", () => {
  const refused: [keyof DeviceHeader, unknown, string][] = [
    ["formatVersion", 2, "BAD_VERSION"],
    ["strideBytes", 4096, "BAD_FIELD"],
    ["generation", 0, "BAD_FIELD"],
    ["generation", 2 ** 32, "BAD_FIELD"],
    ["deviceUUID", "0F8FAD5B-D9CB-469F-A165-70867728950E", "BAD_FIELD"],
    ["configUID", "", "BAD_FIELD"],
    ["clusterUID", "0f8fad5bd9cb469fa16570867728950e", "BAD_FIELD"],
    ["clusterName", "x".repeat(64), "BAD_FIELD"],
    ["clusterName", "\ud800", "BAD_FIELD"],
    ["timeoutMs", 0, "BAD_FIELD"],
    ["watchdogMs", 0.5, "BAD_FIELD"],
    ["watchdogMs", Number.NaN, "BAD_FIELD"],
    ["onStorageLoss", "Hope", "BAD_FIELD"],
    ["createdNs", -1n, "BAD_FIELD"],
    ["createdNs", 2n ** 64n, "BAD_FIELD"],
  ];
  for (const [field, value, code] of refused) {
    const header = { ...DEVICE, [field]: value };
    assert.throws(() => encodeDeviceHeader(header, 512), { code }, `${field} ${String(value)}`);
  }
  assert.throws(() => encodeDeviceHeader(DEVICE, 500), { code: "BAD_FIELD" });
});
