import assert from "node:assert/strict";
import { test } from "node:test";

import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import { CliError } from "./cli-error.ts";
import { findNodeSlot } from "./node-slot.ts";
import { heartbeatOf } from "./testing/simulated-agent.ts";

function slots(...names: readonly (readonly [number, string])[]): Map<number, HeartbeatSlot> {
  return new Map(
    names.map(([nodeID, nodeName]) => [
      nodeID,
      { kind: "heartbeat", record: heartbeatOf({ nodeID, nodeName }) },
    ]),
  );
}

function refusesBoth(given: string, heartbeats: Map<number, HeartbeatSlot>): void {
  assert.throws(
    () => findNodeSlot(given, heartbeats),
    (error: unknown) => {
      assert.ok(error instanceof CliError);
      assert.equal(error.code, "NO_SUCH_NODE");
      assert.match(error.message, /may mean slot 1 or 7/);
      return true;
    },
  );
}

test("a node ID names the slot, whatever is in it", () => {
  assert.deepEqual(findNodeSlot("9", slots([1, "node-a"])), {
    nodeID: 9,
    nodeName: null,
    slot: { kind: "empty" },
  });
});

test("a name that stands in two slots names neither", () => {
  refusesBoth("node-a", slots([1, "node-a"], [7, "node-a"]));
});

test("a name that is another node's ID names neither", () => {
  refusesBoth("7", slots([1, "7"], [7, "node-b"]));
});

test("an ID that no node can have is a name that nobody has", () => {
  assert.throws(
    () => findNodeSlot("256", slots([1, "node-a"])),
    /no slot belongs to a node '256'/i,
  );
});
