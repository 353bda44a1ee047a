import assert from "node:assert/strict";
import { test } from "node:test";
import { createWatchdogRecordParser } from "./watchdog-record.ts";

function record(kind: string, seconds: number, ns: bigint): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeUInt8(0xf5, 0);
  bytes.write(kind, 1, "latin1");
  bytes.writeUInt32LE(seconds, 2);
  bytes.writeBigUInt64LE(ns, 6);
  return bytes;
}

test("records carry their own instant, plain bytes that of their reading", () => {
  const parse = createWatchdogRecordParser();
  const bytes = Buffer.concat([record("O", 0, 5_000_000n), Buffer.from(".V"), record("P", 0, 7n)]);
  assert.deepEqual(parse(bytes, 99), [
    { kind: "open", tMs: 5, exact: true },
    { kind: "pet", tMs: 99, exact: false },
    { kind: "magic", tMs: 99, exact: false },
    { kind: "pet", tMs: 7e-6, exact: true },
  ]);
});

test("a record cut in two by a read is put together", () => {
  const parse = createWatchdogRecordParser();
  const bytes = record("T", 30, 2_000_000n);
  assert.deepEqual(parse(bytes.subarray(0, 6), 1), []);
  assert.deepEqual(parse(bytes.subarray(6), 2), [
    { kind: "set", tMs: 2, exact: true, timeoutSeconds: 30 },
  ]);
});

test("a record of an unknown kind is an error", () => {
  assert.throws(() => createWatchdogRecordParser()(record("X", 0, 0n), 1), /unknown kind 'X'/u);
});
