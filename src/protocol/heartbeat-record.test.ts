import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FENCE, HEARTBEAT } from "./bench/samples.ts";
import { encodeFenceRecord } from "./fence-record.ts";
import { decodeHeartbeatSlot, encodeHeartbeatRecord } from "./heartbeat-record.ts";
import type { HeartbeatRecord, HeartbeatSlot } from "./heartbeat-record.ts";
import { marshal, marshalFence, newFence, newHeartbeat } from "./message.ts";
import { sealRecord } from "./record-frame.ts";

// Made with Python's struct and zlib and a bitwise CRC-32C.
const GOLDEN_START =
  "5342444d53473031010001070015cd8dbb91d4b3182a00000000000000b1ebb730000000000000000000000000000000000000000000000000000000000000005342445801008500b1ebb7300f8fad5bd9cb469fa16570867728950e00112233445566778899aabbccddeeff0123456789abcdef15cd5b07000000008813000010270000110000000900000003000000000000000400000000000000060000000000000000000000000000000000000000000000000000000000008008776f726b65722d37";
const GOLDEN_END = "b1ebb730369073b1";

const HEX_DIGITS = Array.from({ length: 16 }, (_, i) => i.toString(16));
const clock = () => 1_780_000_000_000_000_000n;
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const nodeID = fc.integer({ min: 1, max: 255 });
const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...HEX_DIGITS), { minLength: digits, maxLength: digits })
    .map((all) => all.join(""));

const arbitraryRecord: fc.Arbitrary<HeartbeatRecord> = fc.record(
  {
    nodeID,
    timestampNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    sequence: safe,
    bootID: fc.uuid(),
    machineID: hex(32),
    virtual: fc.boolean(),
    startID: hex(16),
    nodeName: fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 253 })
      .filter((text) => Buffer.byteLength(text) <= 253),
    uptimeMs: safe,
    timeoutMs: u32,
    watchdogMs: u32,
    armed: fc.boolean(),
    detectOnly: fc.boolean(),
    leaving: fc.boolean(),
    fenced: fc.boolean(),
    acknowledgedEpoch: safe,
    seenEpoch: safe,
    moving: fc.uniqueArray(nodeID, { maxLength: 255 }).map((all) => all.sort((a, b) => a - b)),
    passLatencyMs: u32,
  },
  { noNullPrototype: true },
);

function summary(slot: HeartbeatSlot): string {
  return slot.kind === "unreadable" ? slot.code : slot.kind;
}

/** Whether a bit lies in one of the two copies of the header's checksum. */
function inCopy(bit: number): boolean {
  return (bit >= 72 * 8 && bit < 76 * 8) || (bit >= 504 * 8 && bit < 508 * 8);
}

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3]! ^= 1 << (bit & 7);
}

test("a heartbeat record has the bytes that its table says", () => {
  const bytes = encodeHeartbeatRecord(HEARTBEAT, 512);
  assert.equal(Buffer.from(bytes).toString("hex"), GOLDEN_START.padEnd(1008, "0") + GOLDEN_END);
  assert.deepEqual(decodeHeartbeatSlot(bytes, 7), { kind: "heartbeat", record: HEARTBEAT });
});

test("every heartbeat record comes back as it was, at every stride, with zeros from byte 512", () => {
  fc.assert(
    fc.property(arbitraryRecord, fc.constantFrom(512, 1024, 4096), (record, stride) => {
      const bytes = encodeHeartbeatRecord(record, stride);
      assert.equal(bytes.length, stride);
      assert.ok(bytes.subarray(512).every((byte) => byte === 0));
      assert.deepEqual(decodeHeartbeatSlot(bytes, record.nodeID), { kind: "heartbeat", record });
    }),
  );
});

test("the longest node name and all peers moving fit beside each other", () => {
  const record = {
    ...HEARTBEAT,
    nodeName: "n".repeat(253),
    moving: Array.from({ length: 255 }, (_, i) => i + 1),
  };
  const slot = decodeHeartbeatSlot(encodeHeartbeatRecord(record, 512), 7);
  assert.deepEqual(slot, { kind: "heartbeat", record });
});

test("the first 33 bytes are a heartbeat as a Go agent reads it", () => {
  const bytes = encodeHeartbeatRecord(HEARTBEAT, 512);
  const header = newHeartbeat(7, 42n, () => HEARTBEAT.timestampNs);
  assert.deepEqual(bytes.slice(0, 33), marshal(header));
});

test("a record that says nothing of its machine counts as a virtual one's", () => {
  const flagsOffset = 136;
  const bytes = encodeHeartbeatRecord({ ...HEARTBEAT, virtual: false }, 512);
  assert.equal(bytes[flagsOffset]! & 16, 16);
  bytes[flagsOffset]! &= 15;
  sealRecord(bytes);
  const slot = decodeHeartbeatSlot(bytes, 7);
  assert.equal(slot.kind === "heartbeat" && slot.record.virtual, true);
});

test("a heartbeat as a Go agent writes it is bare, in an empty slot as over a record of ours", () => {
  const message = marshal(newHeartbeat(7, 43n, clock));
  for (const stride of [512, 4096]) {
    const before = [new Uint8Array(stride), encodeHeartbeatRecord(HEARTBEAT, stride)];
    before.push(new Uint8Array(stride).fill(0xa5));
    for (const slot of before) {
      slot.set(message);
      const decoded = decodeHeartbeatSlot(slot, 7);
      assert.ok(decoded.kind === "bare-heartbeat", summary(decoded));
      assert.equal(decoded.message.header.sequence, 43n);
    }
  }
});

test("a bare heartbeat keeps a sequence beyond 2^53-1, in a full record it is unreadable", () => {
  const slot = new Uint8Array(512);
  const message = marshal(newHeartbeat(7, 2n ** 53n, clock));
  slot.set(message);
  assert.equal(summary(decodeHeartbeatSlot(slot, 7)), "bare-heartbeat");
  const full = encodeHeartbeatRecord(HEARTBEAT, 512);
  full.set(message);
  full.set(message.subarray(29, 33), 72);
  full.set(message.subarray(29, 33), 504);
  sealRecord(full);
  assert.equal(summary(decodeHeartbeatSlot(full, 7)), "BAD_FIELD");
});

test("a bare message whose checksum is 0 is bare, though the zeros after it look like its copies", () => {
  // The sequence that makes the CRC-32 0, from solving for its bits.
  const slot = new Uint8Array(512);
  slot.set(marshal(newHeartbeat(7, 1237585747n, () => 0n)));
  assert.deepEqual([...slot.subarray(29, 33)], [0, 0, 0, 0]);
  assert.equal(summary(decodeHeartbeatSlot(slot, 7)), "bare-heartbeat");
});

test("a fence message in a heartbeat slot is found when it is for this slot", () => {
  for (const slot of [new Uint8Array(512), encodeHeartbeatRecord(HEARTBEAT, 512)]) {
    const header = newFence(1, 7, 5n, 2, clock);
    slot.set(marshalFence({ header, targetNodeID: 7, reason: 2 }));
    const decoded = decodeHeartbeatSlot(slot, 7);
    assert.ok(decoded.kind === "bare-fence", summary(decoded));
    assert.equal(decoded.message.targetNodeID, 7);
    assert.equal(decoded.message.reason, 2);

    slot.set(marshalFence({ header, targetNodeID: 8, reason: 2 }));
    assert.equal(summary(decodeHeartbeatSlot(slot, 7)), "BAD_NODE_ID");
    slot[33] = 7;
    slot[35] = 9;
    assert.equal(summary(decodeHeartbeatSlot(slot, 7)), "BAD_REASON");
    slot.set(marshal({ ...header, nodeID: 300 }));
    slot[35] = 2;
    assert.equal(summary(decodeHeartbeatSlot(slot, 7)), "BAD_NODE_ID");
  }
});

test("a full fence record in a heartbeat slot is refused: as a bare one it would lose its boot", () => {
  const bytes = encodeFenceRecord({ ...FENCE, targetNodeID: 7 }, 512);
  assert.equal(summary(decodeHeartbeatSlot(bytes, 7)), "BAD_TYPE");
  bytes[100]! ^= 1;
  assert.equal(summary(decodeHeartbeatSlot(bytes, 7)), "BAD_CHECKSUM");
});

test("another node's heartbeat in this slot is unreadable, full as bare", () => {
  assert.equal(
    summary(decodeHeartbeatSlot(encodeHeartbeatRecord(HEARTBEAT, 512), 8)),
    "BAD_NODE_ID",
  );
  const slot = new Uint8Array(512);
  slot.set(marshal(newHeartbeat(7, 1n, clock)));
  assert.equal(summary(decodeHeartbeatSlot(slot, 8)), "BAD_NODE_ID");
});

test("upstream fault: what cannot be read was taken for an empty slot; here only zeros are empty", () => {
  for (const stride of [512, 4096]) {
    assert.deepEqual(decodeHeartbeatSlot(new Uint8Array(stride), 7), { kind: "empty" });
    for (let at = 0; at < stride; at++) {
      const bytes = new Uint8Array(stride);
      bytes[at] = 1;
      assert.equal(summary(decodeHeartbeatSlot(bytes, 7)), "BAD_MAGIC", `byte ${at}`);
    }
  }
});

test("every single broken bit of a slot with a full record makes it unreadable", () => {
  for (const stride of [512, 4096]) {
    const bytes = encodeHeartbeatRecord(HEARTBEAT, stride);
    for (let bit = 0; bit < stride * 8; bit++) {
      flip(bytes, bit);
      assert.equal(decodeHeartbeatSlot(bytes, 7).kind, "unreadable", `bit ${bit}`);
      flip(bytes, bit);
    }
  }
});

test("up to five broken bits leave no other full record; bare only with both copies broken, then the same message", () => {
  const inCopies = fc.oneof(
    fc.integer({ min: 72 * 8, max: 76 * 8 - 1 }),
    fc.integer({ min: 504 * 8, max: 508 * 8 - 1 }),
  );
  const bits = fc.uniqueArray(fc.oneof(fc.nat(512 * 8 - 1), inCopies), {
    minLength: 1,
    maxLength: 5,
  });
  let bare = 0;
  fc.assert(
    fc.property(bits, (bits) => {
      const bytes = encodeHeartbeatRecord(HEARTBEAT, 512);
      for (const bit of bits) flip(bytes, bit);
      const slot = decodeHeartbeatSlot(bytes, 7);
      if (slot.kind === "unreadable") return;
      assert.equal(slot.kind, "bare-heartbeat");
      assert.ok(bits.filter(inCopy).length >= 2);
      assert.equal(slot.kind === "bare-heartbeat" && slot.message.header.sequence, 42n);
      bare++;
    }),
    { seed: 1, numRuns: 2000 },
  );
  assert.ok(bare > 10);
});

test("a write torn at any byte is the old record, the new one, a bare message, or unreadable", () => {
  const next = { ...HEARTBEAT, sequence: 43, seenEpoch: 5, uptimeMs: 123_457_789 };
  const before = encodeHeartbeatRecord(HEARTBEAT, 512);
  const after = encodeHeartbeatRecord(next, 512);
  const seen = new Set<string>();
  const pairs = [
    [before, after],
    [after, before],
  ] as const;
  for (const [front, back] of pairs) {
    for (let cut = 0; cut <= 512; cut++) {
      const bytes = back.slice();
      bytes.set(front.subarray(0, cut));
      const slot = decodeHeartbeatSlot(bytes, 7);
      seen.add(summary(slot));
      if (slot.kind === "heartbeat") {
        assert.deepEqual(slot.record, slot.record.sequence === 42 ? HEARTBEAT : next, `cut ${cut}`);
      }
      if (slot.kind === "bare-heartbeat") assert.ok(cut < 76, `cut ${cut}`);
      if (cut >= 76 && cut < 504) assert.equal(summary(slot), "BAD_CHECKSUM", `cut ${cut}`);
    }
  }
  assert.deepEqual([...seen].sort(), ["BAD_CHECKSUM", "bare-heartbeat", "heartbeat"]);
});

test("an extension of an unknown version is refused by number", () => {
  const bytes = encodeHeartbeatRecord(HEARTBEAT, 512);
  bytes[68] = 2;
  sealRecord(bytes);
  const slot = decodeHeartbeatSlot(bytes, 7);
  assert.ok(slot.kind === "unreadable" && slot.code === "BAD_VERSION");
  assert.match(slot.detail, /version 2/);
});

test("whatever stands in an intact extension, decoding gives a record that encodes back to it, or unreadable", () => {
  const changes = fc.array(fc.tuple(fc.integer({ min: 33, max: 507 }), fc.nat(255)), {
    minLength: 1,
    maxLength: 3,
  });
  const kinds = new Set<string>();
  fc.assert(
    fc.property(changes, (changes) => {
      const bytes = encodeHeartbeatRecord(HEARTBEAT, 512);
      for (const [at, value] of changes) bytes[at] = value;
      sealRecord(bytes);
      const slot = decodeHeartbeatSlot(bytes, 7);
      kinds.add(summary(slot));
      if (slot.kind === "heartbeat") {
        assert.deepEqual(encodeHeartbeatRecord(slot.record, 512), bytes);
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
  assert.ok(kinds.has("heartbeat") && kinds.has("BAD_FIELD"));
});

test("any bytes of any length, and any slot number, give one of the kinds and never throw", () => {
  const started = fc.uint8Array({ minLength: 479, maxLength: 700 }).map((tail) => {
    const bytes = new Uint8Array(33 + tail.length);
    bytes.set(marshal(newHeartbeat(7, 1n, clock)));
    bytes.set(tail, 33);
    return bytes;
  });
  const input = fc.oneof(fc.uint8Array({ maxLength: 5000, size: "max" }), started);
  const slots = fc.oneof(fc.constant(7), fc.double(), fc.integer());
  const kinds = new Set<string>();
  fc.assert(
    fc.property(input, slots, (bytes, slot) => {
      kinds.add(summary(decodeHeartbeatSlot(bytes, slot)));
    }),
    { seed: 1, numRuns: 500 },
  );
  for (const kind of ["bare-heartbeat", "TOO_SHORT", "BAD_MAGIC", "BAD_NODE_ID"]) {
    assert.ok(kinds.has(kind), `no input gave ${kind}`);
  }
  for (let length = 0; length < 512; length++) {
    const cut = encodeHeartbeatRecord(HEARTBEAT, 512).subarray(0, length);
    assert.equal(summary(decodeHeartbeatSlot(cut, 7)), "TOO_SHORT");
  }
});

test("values that do not fit are refused by name", () => {
  const refused: [keyof HeartbeatRecord, unknown, string][] = [
    ["nodeID", 0, "BAD_NODE_ID"],
    ["nodeID", 256, "BAD_NODE_ID"],
    ["timestampNs", -1n, "BAD_FIELD"],
    ["timestampNs", 2n ** 64n, "BAD_FIELD"],
    ["sequence", 2 ** 53, "BAD_FIELD"],
    ["sequence", -1, "BAD_FIELD"],
    ["sequence", 0.5, "BAD_FIELD"],
    ["bootID", "0f8fad5b-d9cb-469f-a165-70867728950E", "BAD_FIELD"],
    ["bootID", "", "BAD_FIELD"],
    ["machineID", "00", "BAD_FIELD"],
    ["machineID", "g".repeat(32), "BAD_FIELD"],
    ["startID", "0123456789ABCDEF", "BAD_FIELD"],
    ["nodeName", "", "BAD_FIELD"],
    ["nodeName", "n".repeat(254), "BAD_FIELD"],
    ["nodeName", "é".repeat(127), "BAD_FIELD"],
    ["nodeName", "\udc00", "BAD_FIELD"],
    ["uptimeMs", 1.5, "BAD_FIELD"],
    ["uptimeMs", 2 ** 53, "BAD_FIELD"],
    ["timeoutMs", 2 ** 32, "BAD_FIELD"],
    ["watchdogMs", -1, "BAD_FIELD"],
    ["acknowledgedEpoch", Number.NaN, "BAD_FIELD"],
    ["seenEpoch", Infinity, "BAD_FIELD"],
    ["moving", [0], "BAD_FIELD"],
    ["moving", [256], "BAD_FIELD"],
    ["moving", [2, 1], "BAD_FIELD"],
    ["moving", [1, 1], "BAD_FIELD"],
    ["passLatencyMs", 0.1, "BAD_FIELD"],
  ];
  for (const [field, value, code] of refused) {
    const record = { ...HEARTBEAT, [field]: value };
    assert.throws(() => encodeHeartbeatRecord(record, 512), { name: "ProtocolError", code }, field);
  }
  assert.throws(() => encodeHeartbeatRecord(HEARTBEAT, 513), { code: "BAD_FIELD" });
});
