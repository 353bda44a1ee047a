import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import * as fc from "fast-check";
import { ProtocolError } from "./error.ts";
import * as protocol from "./message.ts";

// Made with Python's struct and zlib, and again with Go's encoding/binary and hash/crc32.
const HEARTBEAT_HEX = "5342444d53473031010001070015cd8dbb91d4b3182a00000000000000b1ebb730";
const HEARTBEAT_MAX_HEX = "5342444d53473031010001ffffffffffffffffffffffffffffffffffff92859b49";
const FENCE_HEX = "5342444d53473031010002010015cd8dbb91d4b318c80000000000000081f3685c020001";

const clock = () => 1_780_000_000_123_456_789n;
const u16 = fc.integer({ min: 0, max: 0xffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const reason = fc.integer({ min: 0, max: 4 });

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

/** Puts the right checksum on a header, whatever it says otherwise. */
function reseal(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setUint32(29, crc32(bytes.subarray(0, 29)), true);
  return bytes;
}

test("the constants are the original package's", () => {
  assert.equal(protocol.SBD_MAGIC, "SBDMSG01");
  assert.equal(protocol.SBD_HEADER_SIZE, 33);
  assert.equal(protocol.SBD_SLOT_SIZE, 512);
  assert.equal(protocol.SBD_MAX_NODES, 255);
  assert.equal(protocol.SBD_MSG_TYPE_HEARTBEAT, 1);
  assert.equal(protocol.SBD_MSG_TYPE_FENCE, 2);
  assert.equal(protocol.FENCE_REASON_NONE, 0);
  assert.equal(protocol.FENCE_REASON_HEARTBEAT_TIMEOUT, 1);
  assert.equal(protocol.FENCE_REASON_MANUAL, 2);
  assert.equal(protocol.FENCE_REASON_SPLIT_BRAIN, 3);
  assert.equal(protocol.FENCE_REASON_RESOURCE_CONFLICT, 4);
});

test("types, reasons and node IDs are told apart from what is none", () => {
  assert.deepEqual([0, 1, 2, 3, 255].filter(protocol.isValidMessageType), [1, 2]);
  assert.deepEqual(
    [-1, 0, 1, 2, 3, 4, 5, 1.5].filter(protocol.isValidFenceReason),
    [0, 1, 2, 3, 4],
  );
  assert.deepEqual([-1, 0, 1, 255, 256, 1.5, Number.NaN].filter(protocol.isValidNodeID), [1, 255]);
  assert.deepEqual([1, 2, 0, 3].map(protocol.getMessageTypeName), [
    "HEARTBEAT",
    "FENCE",
    "UNKNOWN",
    "UNKNOWN",
  ]);
  assert.deepEqual([0, 1, 2, 3, 4, 5, -1].map(protocol.getFenceReasonName), [
    "NONE",
    "HEARTBEAT_TIMEOUT",
    "MANUAL",
    "SPLIT_BRAIN",
    "RESOURCE_CONFLICT",
    "UNKNOWN",
    "UNKNOWN",
  ]);
});

test("a heartbeat has the bytes that the Go package writes", () => {
  const header = protocol.newHeartbeat(7, 42n, clock);
  assert.equal(hex(protocol.marshalHeartbeat({ header })), HEARTBEAT_HEX);
  assert.equal(hex(protocol.marshal(header)), HEARTBEAT_HEX);
  assert.deepEqual(protocol.unmarshalHeartbeat(fromHex(HEARTBEAT_HEX)), {
    header: { ...header, checksum: 0x30b7ebb1 },
  });
});

test("a fence message has the bytes that the Go package writes", () => {
  const header = protocol.newFence(1, 2, 200, protocol.FENCE_REASON_HEARTBEAT_TIMEOUT, clock);
  const message = { header, targetNodeID: 2, reason: 1 };
  assert.equal(hex(protocol.marshalFence(message)), FENCE_HEX);
  assert.deepEqual(protocol.unmarshalFence(fromHex(FENCE_HEX)), {
    ...message,
    header: { ...header, checksum: 0x5c68f381 },
  });
});

test("the largest value of every field survives", () => {
  const header = {
    ...protocol.newHeartbeat(7, 42n, clock),
    nodeID: 0xffff,
    timestamp: 2n ** 64n - 1n,
    sequence: 2n ** 64n - 1n,
  };
  assert.equal(hex(protocol.marshal(header)), HEARTBEAT_MAX_HEX);
  assert.deepEqual(protocol.unmarshal(fromHex(HEARTBEAT_MAX_HEX)), {
    ...header,
    checksum: 0x499b8592,
  });
});

test("every header and fence message comes back as it was", () => {
  fc.assert(
    fc.property(u16, u64, u64, u16, reason, (nodeID, timestamp, sequence, targetNodeID, reason) => {
      const header = { magic: "SBDMSG01", version: 1, type: 2, nodeID, timestamp, sequence };
      const bytes = protocol.marshalFence({
        header: { ...header, checksum: 0xdead },
        targetNodeID,
        reason,
      });
      const checksum = crc32(bytes.subarray(0, 29));
      const expected = { header: { ...header, checksum }, targetNodeID, reason };
      assert.deepEqual(protocol.unmarshalFence(bytes), expected);
      assert.deepEqual(protocol.unmarshal(bytes), expected.header);
      assert.equal(hex(protocol.marshal(expected.header)), hex(bytes.subarray(0, 33)));
    }),
  );
});

test("values that do not fit the wire are refused, never truncated", () => {
  const header = protocol.newHeartbeat(7, 42n, clock);
  const fence = protocol.newFence(1, 2, 3n, 2, clock);
  const refused: [string, () => void][] = [
    ["BAD_MAGIC", () => protocol.marshal({ ...header, magic: "SBDMSG02" })],
    ["BAD_VERSION", () => protocol.marshal({ ...header, version: 2 })],
    ["BAD_TYPE", () => protocol.marshal({ ...header, type: 3 })],
    ["BAD_NODE_ID", () => protocol.marshal({ ...header, nodeID: 0x10000 })],
    ["BAD_NODE_ID", () => protocol.marshal({ ...header, nodeID: -1 })],
    ["BAD_NODE_ID", () => protocol.marshal({ ...header, nodeID: 1.5 })],
    ["BAD_FIELD", () => protocol.marshal({ ...header, timestamp: 2n ** 64n })],
    ["BAD_FIELD", () => protocol.marshal({ ...header, timestamp: -1n })],
    ["BAD_FIELD", () => protocol.marshal({ ...header, sequence: 2n ** 64n })],
    ["BAD_FIELD", () => protocol.marshal({ ...header, sequence: -1n })],
    ["BAD_TYPE", () => protocol.marshalHeartbeat({ header: fence })],
    ["BAD_TYPE", () => protocol.marshalFence({ header, targetNodeID: 2, reason: 2 })],
    [
      "BAD_NODE_ID",
      () => protocol.marshalFence({ header: fence, targetNodeID: 0x10000, reason: 2 }),
    ],
    ["BAD_REASON", () => protocol.marshalFence({ header: fence, targetNodeID: 2, reason: 5 })],
    ["BAD_NODE_ID", () => protocol.newHeartbeat(0, 1n, clock)],
    ["BAD_NODE_ID", () => protocol.newHeartbeat(256, 1n, clock)],
    ["BAD_FIELD", () => protocol.newHeartbeat(1, 1.5, clock)],
    ["BAD_FIELD", () => protocol.newHeartbeat(1, -1, clock)],
    ["BAD_FIELD", () => protocol.newHeartbeat(1, 2n ** 64n, clock)],
    ["BAD_NODE_ID", () => protocol.newFence(256, 2, 1n, 2, clock)],
    ["BAD_NODE_ID", () => protocol.newFence(1, 0, 1n, 2, clock)],
    ["BAD_REASON", () => protocol.newFence(1, 2, 1n, 5, clock)],
  ];
  for (const [code, act] of refused) {
    assert.throws(act, { name: "ProtocolError", code }, `${code}: ${String(act)}`);
  }
  assert.equal(protocol.newFence(0, 2, 1n, 2, clock).nodeID, 0, "a sender without a slot");
});

test("short data is refused with the bytes there are and the bytes needed", () => {
  for (let length = 0; length < 33; length++) {
    const bytes = fromHex(HEARTBEAT_HEX).subarray(0, length);
    assert.throws(() => protocol.unmarshal(bytes), { code: "TOO_SHORT" });
  }
  for (let length = 33; length < 36; length++) {
    const bytes = fromHex(FENCE_HEX).subarray(0, length);
    assert.throws(() => protocol.unmarshalFence(bytes), {
      code: "TOO_SHORT",
      message: new RegExp(`36 bytes: there are ${length}`, "u"),
    });
    assert.equal(protocol.unmarshal(bytes).type, 2);
  }
});

test("upstream fault: a version was never looked at; here an unknown one is refused by number", () => {
  const bytes = fromHex(HEARTBEAT_HEX);
  bytes[8] = 7;
  assert.throws(() => protocol.unmarshal(reseal(bytes)), {
    code: "BAD_VERSION",
    message: /version 7/,
  });
});

test("upstream fault: a type was looked at by some callers; here an unknown one is refused by number", () => {
  const bytes = fromHex(HEARTBEAT_HEX);
  bytes[10] = 9;
  assert.throws(() => protocol.unmarshal(reseal(bytes)), { code: "BAD_TYPE", message: /type 9/ });
});

test("upstream fault: the checksum ran over all but the last four bytes of longer data; here always over 29", () => {
  for (const length of [34, 36, 37, 64, 512, 4096]) {
    const slot = new Uint8Array(length).fill(0xa5);
    slot.set(fromHex(HEARTBEAT_HEX));
    assert.equal(protocol.unmarshal(slot).sequence, 42n, `${length} bytes`);
  }
});

test("upstream fault: no checksum covers target and reason; a message cannot tell, so only an unknown reason is refused", () => {
  const bytes = fromHex(FENCE_HEX);
  bytes[33]! ^= 1;
  assert.equal(protocol.unmarshalFence(bytes).targetNodeID, 3);
  bytes[35] = 0x81;
  assert.throws(() => protocol.unmarshalFence(bytes), { code: "BAD_REASON", message: /129/ });
});

test("a message is not taken for one of the other type", () => {
  assert.throws(() => protocol.unmarshalHeartbeat(fromHex(FENCE_HEX)), { code: "BAD_TYPE" });
  const heartbeat = new Uint8Array(36);
  heartbeat.set(fromHex(HEARTBEAT_HEX));
  assert.throws(() => protocol.unmarshalFence(heartbeat), { code: "BAD_TYPE" });
});

test("every single broken bit of a header is found", () => {
  for (let bit = 0; bit < 33 * 8; bit++) {
    const bytes = fromHex(HEARTBEAT_HEX);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const code = bit < 64 ? "BAD_MAGIC" : "BAD_CHECKSUM";
    assert.throws(() => protocol.unmarshal(bytes), { code }, `bit ${bit}`);
  }
});

test("any bytes give a message that marshals back to them, or a ProtocolError", () => {
  const plausible = fc
    .tuple(fc.uint8Array({ minLength: 36, maxLength: 36 }), fc.integer({ min: 0, max: 3 }))
    .map(([bytes, type]) => {
      bytes.set(fromHex(HEARTBEAT_HEX).subarray(0, 10));
      bytes[10] = type;
      bytes[35]! &= 7;
      return reseal(bytes);
    });
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(plausible, fc.uint8Array({ maxLength: 600 })), (bytes) => {
      try {
        const message = protocol.unmarshalFence(bytes);
        assert.equal(hex(protocol.marshalFence(message)), hex(bytes.subarray(0, 36)));
        accepted++;
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
      try {
        const header = protocol.unmarshal(bytes);
        assert.equal(hex(protocol.marshal(header)), hex(bytes.subarray(0, 33)));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { seed: 1, numRuns: 500 },
  );
  assert.ok(accepted > 20, `only ${accepted} inputs were messages`);
});
