import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DEVICE_SIZE_MIN_BYTES,
  FENCE_FILE_NAME,
  FENCE_REGION_OFFSET_BYTES,
  fenceOffset,
  HEARTBEAT_FILE_NAME,
  heartbeatOffset,
  REGION_SIZE_BYTES,
  strideFor,
} from "./layout.ts";

test("the constants are those of the device format", () => {
  assert.equal(DEVICE_SIZE_MIN_BYTES, 2 * 1024 * 1024);
  assert.equal(FENCE_REGION_OFFSET_BYTES, 1024 * 1024);
  assert.equal(REGION_SIZE_BYTES, 1024 * 1024);
  assert.equal(HEARTBEAT_FILE_NAME, "sbd-device");
  assert.equal(FENCE_FILE_NAME, "sbd-device-fence");
});

test("the stride is the logical block size, and 512 bytes at least", () => {
  assert.equal(strideFor(1), 512);
  assert.equal(strideFor(512), 512);
  assert.equal(strideFor(1024), 1024);
  assert.equal(strideFor(4096), 4096);
});

test("a block size that no slot layout fits is refused with its value", () => {
  for (const size of [0, -512, 513, 1.5, 8192, 2 ** 40, Number.NaN, Infinity]) {
    assert.throws(() => strideFor(size), { name: "ProtocolError", code: "BAD_FIELD" });
  }
  assert.throws(() => strideFor(8192), /current value is 8192/);
});

test("slots of one region neither overlap nor reach into the next, at every stride", () => {
  for (const stride of [512, 1024, 2048, 4096]) {
    for (let nodeID = 1; nodeID <= 255; nodeID++) {
      assert.equal(heartbeatOffset(nodeID, stride), nodeID * stride);
      assert.equal(fenceOffset(nodeID, stride, "Directory"), nodeID * stride);
      assert.equal(fenceOffset(nodeID, stride, "BlockDevice"), 1024 * 1024 + nodeID * stride);
    }
    assert.ok(heartbeatOffset(255, stride) + stride <= FENCE_REGION_OFFSET_BYTES);
    assert.ok(fenceOffset(255, stride, "BlockDevice") + stride <= DEVICE_SIZE_MIN_BYTES);
  }
  assert.equal(heartbeatOffset(255, 4096) + 4096, FENCE_REGION_OFFSET_BYTES);
});

test("slot 0 is the device header's and has no heartbeat or fence offset", () => {
  for (const nodeID of [0, 256, -1, 1.5, Number.NaN]) {
    assert.throws(() => heartbeatOffset(nodeID, 512), { code: "BAD_NODE_ID" });
    assert.throws(() => fenceOffset(nodeID, 512, "Directory"), { code: "BAD_NODE_ID" });
  }
});

test("a stride that strideFor never gives is refused", () => {
  for (const stride of [0, 256, 768, 8192, Number.NaN]) {
    assert.throws(() => heartbeatOffset(1, stride), { code: "BAD_FIELD" });
    assert.throws(() => fenceOffset(1, stride, "BlockDevice"), { code: "BAD_FIELD" });
  }
});
