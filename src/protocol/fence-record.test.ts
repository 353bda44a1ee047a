import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FENCE, HEARTBEAT } from "./bench/samples.ts";
import { decodeFenceSlot, encodeFenceRecord, sameFenceRecord } from "./fence-record.ts";
import type { FenceRecord, FenceSlot } from "./fence-record.ts";
import { encodeHeartbeatRecord } from "./heartbeat-record.ts";
import { marshalFence, newFence } from "./message.ts";
import { sealRecord } from "./record-frame.ts";

// Made with Python's struct and zlib and a bitwise CRC-32C.
const GOLDEN_START =
  "5342444d53473031010002010015cd8dbb91d4b318c80000000000000081f3685c02000100000000000000000000000000000000000000000000000000000000534244580100610081f3685c0900000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf7c9e6679742540de944be07fc1f90ae70f8fad5bd9cb469fa16570867728950e00112233445566778899aabbccddeeff7869000008776f726b65722d31";
const GOLDEN_END = "81f3685c15f9ff12";

const HEX_DIGITS = Array.from({ length: 16 }, (_, i) => i.toString(16));
const clock = () => 1_780_000_000_000_000_000n;
const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const hex32 = fc
  .array(fc.constantFrom(...HEX_DIGITS), { minLength: 32, maxLength: 32 })
  .map((all) => all.join(""));

const arbitraryRecord: fc.Arbitrary<FenceRecord> = fc.record(
  {
    senderID: fc.integer({ min: 0, max: 255 }),
    timestampNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    sequence: safe,
    targetNodeID: fc.integer({ min: 1, max: 255 }),
    reason: fc.integer({ min: 0, max: 4 }),
    epoch: safe,
    nonce: hex32,
    requestUID: fc.uuid(),
    targetBootID: fc.uuid(),
    targetMachineID: hex32,
    fencerName: fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 253 })
      .filter((text) => Buffer.byteLength(text) <= 253),
    msgwaitMs: fc.integer({ min: 0, max: 0xffff_ffff }),
  },
  { noNullPrototype: true },
);

function summary(slot: FenceSlot): string {
  return slot.kind === "unreadable" ? slot.code : slot.kind;
}

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3]! ^= 1 << (bit & 7);
}

function goMessage(targetNodeID: number, reason: number): Uint8Array {
  return marshalFence({ header: newFence(1, 2, 201n, 2, clock), targetNodeID, reason });
}

test("a fence record has the bytes that its table says", () => {
  const bytes = encodeFenceRecord(FENCE, 512);
  assert.equal(Buffer.from(bytes).toString("hex"), GOLDEN_START.padEnd(1008, "0") + GOLDEN_END);
  assert.deepEqual(decodeFenceSlot(bytes, 2), { kind: "fence", record: FENCE });
});

test("every fence record comes back as it was, with reason 0 as cleared, at every stride", () => {
  fc.assert(
    fc.property(arbitraryRecord, fc.constantFrom(512, 2048, 4096), (record, stride) => {
      const bytes = encodeFenceRecord(record, stride);
      assert.equal(bytes.length, stride);
      assert.ok(bytes.subarray(512).every((byte) => byte === 0));
      const kind = record.reason === 0 ? "cleared" : "fence";
      assert.deepEqual(decodeFenceSlot(bytes, record.targetNodeID), { kind, record });
    }),
  );
});

test("the first 36 bytes are a fence message as a Go agent reads it", () => {
  const header = newFence(1, 2, 200n, 1, () => FENCE.timestampNs);
  assert.deepEqual(
    encodeFenceRecord(FENCE, 512).slice(0, 36),
    marshalFence({ header, targetNodeID: 2, reason: 1 }),
  );
});

test("a message as a Go fencer writes it is bare, in an empty slot as over a record of ours", () => {
  for (const stride of [512, 4096]) {
    const before = [new Uint8Array(stride), encodeFenceRecord(FENCE, stride)];
    before.push(new Uint8Array(stride).fill(0xa5));
    for (const slot of before) {
      for (const reason of [2, 0]) {
        slot.set(goMessage(2, reason));
        const decoded = decodeFenceSlot(slot, 2);
        assert.ok(decoded.kind === "bare-fence", summary(decoded));
        assert.equal(decoded.message.reason, reason);
        assert.equal(decoded.message.header.sequence, 201n);
      }
    }
  }
});

test("a bare message for another slot, of another type, from nobody or with an unknown reason is unreadable", () => {
  const slot = new Uint8Array(512);
  slot.set(goMessage(3, 2));
  assert.equal(summary(decodeFenceSlot(slot, 2)), "BAD_NODE_ID");
  slot.set(goMessage(2, 2));
  slot[35] = 5;
  assert.equal(summary(decodeFenceSlot(slot, 2)), "BAD_REASON");
  const header = { ...newFence(1, 2, 1n, 2, clock), nodeID: 256 };
  slot.set(marshalFence({ header, targetNodeID: 2, reason: 2 }));
  assert.equal(summary(decodeFenceSlot(slot, 2)), "BAD_NODE_ID");
  const heartbeat = encodeHeartbeatRecord({ ...HEARTBEAT, nodeID: 2 }, 512);
  assert.equal(summary(decodeFenceSlot(heartbeat, 2)), "BAD_TYPE");
});

test("a full record for another slot is unreadable", () => {
  assert.equal(summary(decodeFenceSlot(encodeFenceRecord(FENCE, 512), 3)), "BAD_NODE_ID");
});

test("upstream fault: what cannot be read was taken for no message; here only zeros are empty", () => {
  for (const stride of [512, 4096]) {
    assert.deepEqual(decodeFenceSlot(new Uint8Array(stride), 2), { kind: "empty" });
    for (let at = 0; at < stride; at++) {
      const bytes = new Uint8Array(stride);
      bytes[at] = 1;
      assert.equal(summary(decodeFenceSlot(bytes, 2)), "BAD_MAGIC", `byte ${at}`);
    }
  }
});

test("upstream fault: no checksum covers target and reason; in a full record the second one does", () => {
  for (let bit = 33 * 8; bit < 36 * 8; bit++) {
    const bytes = encodeFenceRecord(FENCE, 512);
    flip(bytes, bit);
    // An unknown reason is refused even before the checksum is looked at.
    assert.match(summary(decodeFenceSlot(bytes, 2)), /^BAD_(?:CHECKSUM|REASON)$/, `bit ${bit}`);
  }
});

test("every single broken bit of a slot with a full record makes it unreadable", () => {
  for (const stride of [512, 4096]) {
    const bytes = encodeFenceRecord(FENCE, stride);
    for (let bit = 0; bit < stride * 8; bit++) {
      flip(bytes, bit);
      assert.equal(decodeFenceSlot(bytes, 2).kind, "unreadable", `bit ${bit}`);
      flip(bytes, bit);
    }
  }
});

test("two broken bits leave no other full record, and never turn a message for one boot into another message", () => {
  const inCopies = fc.oneof(
    fc.integer({ min: 72 * 8, max: 76 * 8 - 1 }),
    fc.integer({ min: 504 * 8, max: 508 * 8 - 1 }),
  );
  const bits = fc.uniqueArray(fc.oneof(fc.nat(512 * 8 - 1), inCopies), {
    minLength: 2,
    maxLength: 2,
  });
  let bare = 0;
  fc.assert(
    fc.property(bits, (bits) => {
      const bytes = encodeFenceRecord(FENCE, 512);
      for (const bit of bits) flip(bytes, bit);
      const slot = decodeFenceSlot(bytes, 2);
      if (slot.kind === "unreadable") return;
      assert.ok(slot.kind === "bare-fence");
      assert.deepEqual([slot.message.targetNodeID, slot.message.reason], [2, 1]);
      bare++;
    }),
    { seed: 1, numRuns: 2000 },
  );
  assert.ok(bare > 10);
});

test("a write torn at any byte is the old record, the new one, a bare message, or unreadable", () => {
  const next = { ...FENCE, sequence: 201, epoch: 10, nonce: "f".repeat(32), reason: 0 };
  const before = encodeFenceRecord(FENCE, 512);
  const after = encodeFenceRecord(next, 512);
  const seen = new Set<string>();
  const pairs = [
    [before, after],
    [after, before],
  ] as const;
  for (const [front, back] of pairs) {
    for (let cut = 0; cut <= 512; cut++) {
      const bytes = back.slice();
      bytes.set(front.subarray(0, cut));
      const slot = decodeFenceSlot(bytes, 2);
      seen.add(summary(slot));
      if (slot.kind === "fence") assert.deepEqual(slot.record, FENCE, `cut ${cut}`);
      if (slot.kind === "cleared") assert.deepEqual(slot.record, next, `cut ${cut}`);
      if (slot.kind === "bare-fence") assert.ok(cut > 21 && cut < 76, `cut ${cut}`);
    }
  }
  assert.deepEqual([...seen].sort(), ["BAD_CHECKSUM", "bare-fence", "cleared", "fence"]);
});

test("an extension of an unknown version, or with other magic, is refused", () => {
  const bytes = encodeFenceRecord(FENCE, 512);
  bytes[68] = 2;
  sealRecord(bytes);
  const slot = decodeFenceSlot(bytes, 2);
  assert.ok(slot.kind === "unreadable" && slot.code === "BAD_VERSION");
  assert.match(slot.detail, /version 2/);
  bytes[64] = 0;
  sealRecord(bytes);
  assert.equal(summary(decodeFenceSlot(bytes, 2)), "BAD_MAGIC");
});

test("whatever stands in an intact extension, decoding gives a record that encodes back to it, or unreadable", () => {
  const changes = fc.array(fc.tuple(fc.integer({ min: 33, max: 507 }), fc.nat(255)), {
    minLength: 1,
    maxLength: 3,
  });
  const kinds = new Set<string>();
  fc.assert(
    fc.property(changes, (changes) => {
      const bytes = encodeFenceRecord(FENCE, 512);
      for (const [at, value] of changes) bytes[at] = value;
      sealRecord(bytes);
      const slot = decodeFenceSlot(bytes, 2);
      kinds.add(summary(slot));
      if (slot.kind === "fence" || slot.kind === "cleared") {
        assert.deepEqual(encodeFenceRecord(slot.record, 512), bytes);
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
  assert.ok(kinds.has("fence") && kinds.has("BAD_FIELD") && kinds.has("BAD_NODE_ID"));
});

test("any bytes of any length, and any slot number, give one of the kinds and never throw", () => {
  const started = fc.uint8Array({ minLength: 476, maxLength: 700 }).map((tail) => {
    const bytes = new Uint8Array(36 + tail.length);
    bytes.set(goMessage(2, 1));
    bytes.set(tail, 36);
    return bytes;
  });
  const input = fc.oneof(fc.uint8Array({ maxLength: 5000, size: "max" }), started);
  const slots = fc.oneof(fc.constant(2), fc.double(), fc.integer());
  const kinds = new Set<string>();
  fc.assert(
    fc.property(input, slots, (bytes, slot) => {
      kinds.add(summary(decodeFenceSlot(bytes, slot)));
    }),
    { seed: 1, numRuns: 500 },
  );
  for (const kind of ["bare-fence", "TOO_SHORT", "BAD_MAGIC", "BAD_NODE_ID"]) {
    assert.ok(kinds.has(kind), `no input gave ${kind}`);
  }
  for (let length = 0; length < 512; length++) {
    const cut = encodeFenceRecord(FENCE, 512).subarray(0, length);
    assert.equal(summary(decodeFenceSlot(cut, 2)), "TOO_SHORT");
  }
});

test("two records are the same only when every field is equal", () => {
  assert.ok(sameFenceRecord(FENCE, { ...FENCE }));
  const other: FenceRecord = {
    senderID: 3,
    timestampNs: 1n,
    sequence: 1,
    targetNodeID: 3,
    reason: 2,
    epoch: 1,
    nonce: "",
    requestUID: "",
    targetBootID: "",
    targetMachineID: "",
    fencerName: "",
    msgwaitMs: 1,
  };
  for (const field of Object.keys(FENCE) as (keyof FenceRecord)[]) {
    assert.ok(!sameFenceRecord(FENCE, { ...FENCE, [field]: other[field] }), field);
  }
});

test("values that do not fit are refused by name", () => {
  const refused: [keyof FenceRecord, unknown, string][] = [
    ["senderID", 256, "BAD_NODE_ID"],
    ["senderID", -1, "BAD_NODE_ID"],
    ["timestampNs", 2n ** 64n, "BAD_FIELD"],
    ["sequence", 2 ** 53, "BAD_FIELD"],
    ["targetNodeID", 0, "BAD_NODE_ID"],
    ["targetNodeID", 256, "BAD_NODE_ID"],
    ["reason", 5, "BAD_REASON"],
    ["reason", -1, "BAD_REASON"],
    ["epoch", -1, "BAD_FIELD"],
    ["epoch", 2 ** 53, "BAD_FIELD"],
    ["nonce", "0", "BAD_FIELD"],
    ["nonce", "A".repeat(32), "BAD_FIELD"],
    ["requestUID", "x", "BAD_FIELD"],
    ["targetBootID", "x", "BAD_FIELD"],
    ["targetMachineID", "x".repeat(32), "BAD_FIELD"],
    ["fencerName", "", "BAD_FIELD"],
    ["fencerName", "f".repeat(254), "BAD_FIELD"],
    ["msgwaitMs", 2 ** 32, "BAD_FIELD"],
    ["msgwaitMs", 0.5, "BAD_FIELD"],
  ];
  for (const [field, value, code] of refused) {
    const record = { ...FENCE, [field]: value };
    assert.throws(() => encodeFenceRecord(record, 512), { name: "ProtocolError", code }, field);
  }
  assert.throws(() => encodeFenceRecord(FENCE, 0), { code: "BAD_FIELD" });
});
