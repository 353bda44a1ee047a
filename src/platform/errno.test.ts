import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { asSystemError, checked, describeErrno, errnoName, SystemError } from "./errno.ts";

test("an error number has the kernel's name, whatever its sign", () => {
  assert.equal(errnoName(5), "EIO");
  assert.equal(errnoName(-5), "EIO");
  assert.match(describeErrno(-5), /^EIO: /);
});

test("errors of storage and timers that Node.js has no text for have names", () => {
  assert.equal(errnoName(-62), "ETIME");
  assert.equal(errnoName(-121), "EREMOTEIO");
  assert.equal(describeErrno(-67), "ENOLINK: link has been severed");
  assert.equal(errnoName(61), "ENODATA");
  assert.equal(errnoName(9999), "errno 9999");
  assert.equal(describeErrno(9999), "errno 9999");
});

test("a result below zero throws with code, number and the operation", () => {
  assert.equal(checked(3, "Cannot open x"), 3);
  assert.throws(
    () => checked(-2, "Cannot open x"),
    (error: unknown) =>
      error instanceof SystemError &&
      error.code === "ENOENT" &&
      error.errno === 2 &&
      error.message.startsWith("Cannot open x: ENOENT"),
  );
});

test("an error of node:fs becomes one of these, any other stays what it is", () => {
  try {
    fs.readFileSync("/nonexistent");
    assert.fail("it exists");
  } catch (error) {
    const converted = asSystemError(error, "Cannot read it");
    assert.ok(converted instanceof SystemError);
    assert.equal(converted.code, "ENOENT");
  }
  const other = new RangeError("no");
  assert.equal(asSystemError(other, "Cannot"), other);
});
