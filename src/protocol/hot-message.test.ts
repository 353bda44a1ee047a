import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { ProtocolError } from "./error.ts";
import { HotMessage } from "./hot-message.ts";
import {
  marshal,
  marshalFence,
  newFence,
  newHeartbeat,
  unmarshalFence,
  unmarshalHeartbeat,
} from "./message.ts";

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const sequence = fc.oneof(
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const reason = fc.integer({ min: 0, max: 4 });

function timestampOf(message: HotMessage): bigint {
  return (BigInt(message.timestampHigh) << 32n) | BigInt(message.timestampLow);
}

test("the hot form writes the bytes of the convenient one, and reads them back", () => {
  const slot = new Uint8Array(512);
  const writer = new HotMessage(slot);
  const reader = new HotMessage(slot);
  fc.assert(
    fc.property(u16, sequence, u32, u32, u16, reason, (nodeID, seq, low, high, target, why) => {
      writer.nodeID = nodeID;
      writer.sequence = seq;
      writer.timestampLow = low;
      writer.timestampHigh = high;
      writer.targetNodeID = target;
      writer.reason = why;
      const header = {
        ...newHeartbeat(1, seq, () => timestampOf(writer)),
        nodeID,
      };

      writer.encodeHeartbeat();
      assert.deepEqual(slot.subarray(0, 33), marshal(header));
      assert.equal(reader.decodeHeartbeat(), "OK");
      assert.deepEqual(
        [reader.nodeID, reader.sequence, reader.timestampLow, reader.timestampHigh],
        [nodeID, seq, low, high],
      );

      writer.encodeFence();
      const message = { header: { ...header, type: 2 }, targetNodeID: target, reason: why };
      assert.deepEqual(slot.subarray(0, 36), marshalFence(message));
      assert.equal(reader.decodeFence(), "OK");
      assert.deepEqual([reader.targetNodeID, reader.reason], [target, why]);
    }),
  );
});

test("the hot form accepts and refuses exactly what the convenient one does, with its code", () => {
  const base = marshalFence({
    header: newFence(1, 2, 200, 1, () => 5n),
    targetNodeID: 2,
    reason: 1,
  });
  const flips = fc.array(fc.nat(36 * 8 - 1), { maxLength: 2 });
  const message = new HotMessage(new Uint8Array(36));
  const seen = new Set<string>();
  fc.assert(
    fc.property(flips, fc.boolean(), fc.integer({ min: 0, max: 3 }), (bits, resealed, type) => {
      const slot = base.slice();
      slot[10] = type;
      for (const bit of bits) slot[bit >> 3]! ^= 1 << (bit & 7);
      if (resealed) resealHeader(slot);
      const hot = new HotMessage(slot);
      const codes = [
        [hot.decodeFence(), codeOf(() => unmarshalFence(slot))],
        [hot.decodeHeartbeat(), codeOf(() => unmarshalHeartbeat(slot))],
      ];
      for (const [found, expected] of codes) {
        // The sequence of the hot form ends at 2^53-1; whatever else is refused comes before.
        if (found === "BAD_FIELD") assert.ok((slot[27]! & 0xe0) !== 0 || slot[28] !== 0);
        else assert.equal(found, expected);
        seen.add(found!);
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
  assert.equal(message.decodeFence(), "BAD_MAGIC");
  for (const code of ["OK", "BAD_MAGIC", "BAD_CHECKSUM", "BAD_VERSION", "BAD_TYPE", "BAD_REASON"]) {
    assert.ok(seen.has(code), `no input gave ${code}`);
  }
});

test("a message that is refused leaves the fields as they were", () => {
  const slot = new Uint8Array(512);
  const message = new HotMessage(slot);
  message.nodeID = 7;
  message.sequence = 9;
  message.encodeHeartbeat();
  slot[13]! ^= 1;
  message.sequence = 11;
  assert.equal(message.decodeHeartbeat(), "BAD_CHECKSUM");
  assert.deepEqual([message.nodeID, message.sequence, message.timestampLow], [7, 11, 0]);
});

test("a sequence beyond 2^53-1 is refused, not rounded", () => {
  const slot = new Uint8Array(512);
  slot.set(marshal(newHeartbeat(1, 2n ** 53n, () => 0n)));
  assert.equal(new HotMessage(slot).decodeHeartbeat(), "BAD_FIELD");
  slot.set(marshal(newHeartbeat(1, 2n ** 53n - 1n, () => 0n)));
  assert.equal(new HotMessage(slot).decodeHeartbeat(), "OK");
});

test("fields that do not fit the wire are refused, and the bytes stay as they were", () => {
  const slot = new Uint8Array(512).fill(0x5a);
  const refused: [string, (message: HotMessage) => void][] = [
    ["BAD_NODE_ID", (message) => void (message.nodeID = 0x10000)],
    ["BAD_NODE_ID", (message) => void (message.nodeID = -1)],
    ["BAD_NODE_ID", (message) => void (message.targetNodeID = 0.5)],
    ["BAD_REASON", (message) => void (message.reason = 5)],
    ["BAD_FIELD", (message) => void (message.sequence = -1)],
    ["BAD_FIELD", (message) => void (message.sequence = 0.5)],
    ["BAD_FIELD", (message) => void (message.sequence = 2 ** 53)],
    ["BAD_FIELD", (message) => void (message.sequence = Number.NaN)],
    ["BAD_FIELD", (message) => void (message.sequence = Infinity)],
    ["BAD_FIELD", (message) => void (message.timestampLow = -1)],
    ["BAD_FIELD", (message) => void (message.timestampHigh = 2 ** 32)],
  ];
  for (const [code, spoil] of refused) {
    const message = new HotMessage(slot);
    spoil(message);
    assert.throws(() => message.encodeFence(), { name: "ProtocolError", code }, String(spoil));
    assert.ok(slot.every((byte) => byte === 0x5a));
  }
});

test("a timestamp set in milliseconds is exact in nanoseconds", () => {
  const message = new HotMessage(new Uint8Array(36));
  const largestMs = Number((2n ** 64n - 1n) / 1_000_000n);
  const ms = fc.oneof(
    fc.integer({ min: 0, max: largestMs }),
    fc.constantFrom(0, 1, 65_535, 65_536, 4294, 4295, 1_780_000_000_123, largestMs),
  );
  fc.assert(
    fc.property(ms, (wallMs) => {
      message.setTimestampMs(wallMs);
      assert.equal(timestampOf(message), BigInt(wallMs) * 1_000_000n);
    }),
  );
  for (const wallMs of [-1, 0.5, Number.NaN, Infinity, largestMs + 1]) {
    assert.throws(() => message.setTimestampMs(wallMs), { code: "BAD_FIELD" }, String(wallMs));
  }
});

test("a slot shorter than a fence message is refused at once", () => {
  assert.throws(() => new HotMessage(new Uint8Array(35)), { code: "TOO_SHORT" });
});

test("a view into a larger buffer writes its own slot only", () => {
  const device = new Uint8Array(1536);
  const message = new HotMessage(device.subarray(512, 1024));
  message.nodeID = 1;
  message.encodeHeartbeat();
  assert.ok(device.subarray(0, 512).every((byte) => byte === 0));
  assert.equal(unmarshalHeartbeat(device.subarray(512)).header.nodeID, 1);
  assert.ok(device.subarray(545).every((byte) => byte === 0));
});

function codeOf(read: () => unknown): string {
  try {
    read();
    return "OK";
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    return error.code;
  }
}

function resealHeader(slot: Uint8Array): void {
  const view = new DataView(slot.buffer);
  view.setUint32(29, crc32(slot.subarray(0, 29)), true);
}
