import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NO_SIGHTINGS } from "../../observation/sightings.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { FenceRecord, FenceSlot } from "../../protocol/fence-record.ts";
import { FENCE_REASON_MANUAL } from "../../protocol/message.ts";
import { deriveTiming, type TimingContract } from "../../timing/contract.ts";
import type { FromCore, SlotTask } from "./api-message.ts";
import type { DeviceReply, DeviceRequest } from "../../platform/device-request.ts";
import type { DiskWorker } from "../../platform/disk-worker-handle.ts";
import { createSlotTasks, type SlotTasks } from "./slot-tasks.ts";

const CONTRACT = { timeoutMs: 6_000, watchdogMs: 4_000 };
const TASK = { id: "task-1", kind: "Clear", nodeID: 1, nodeName: "worker-1" } as const;
const REPAIR = { ...TASK, kind: "Repair" } as const;
const MESSAGE: FenceRecord = {
  senderID: 2,
  timestampNs: 1n,
  sequence: 4,
  targetNodeID: 1,
  reason: FENCE_REASON_MANUAL,
  epoch: 3,
  nonce: "0".repeat(32),
  requestUID: "7f1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e99",
  targetBootID: "8c1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e21",
  targetMachineID: "a".repeat(32),
  fencerName: "worker-2",
  msgwaitMs: deriveTiming(CONTRACT).msgwaitMs,
};

type Write = DeviceRequest & { readonly op: "replace-fence" };

/** A device of one fence slot; `answer` decides what a replacement comes back with. */
let writes: Write[];
let answer: (write: Write) => Promise<DeviceReply["replace-fence"]>;
let sent: FromCore[];
let slot: FenceSlot;
let contract: TimingContract | null;
/** Settles when the device answers a read. */
let deviceAnswers: Promise<void>;
/** What became of the fencer's requests and of the device, in order. */
let steps: string[];
let epochs: ReadonlyMap<number, number>;
let tasks: SlotTasks;

beforeEach(() => {
  writes = [];
  sent = [];
  slot = { kind: "fence", record: MESSAGE };
  contract = CONTRACT;
  deviceAnswers = Promise.resolve();
  steps = [];
  epochs = new Map();
  answer = async ({ record }) => ({
    replaced: true,
    readBack: { kind: "cleared", record },
    endedRawMs: hostClock.rawMs(),
  });
  const worker: DiskWorker = {
    async request(request) {
      steps.push(request.op);
      if (request.op === "read-regions") {
        await deviceAnswers;
        return { fences: new Map([[1, slot]]) } as never;
      }
      assert.equal(request.op, "replace-fence");
      writes.push(request as Write);
      return (await answer(request as Write)) as never;
    },
    close: async () => undefined,
  };
  tasks = createSlotTasks({
    name: "worker-2",
    nodeID: 2,
    worker,
    send: (message) => void sent.push(message),
    contract: () => (contract === null ? null : deriveTiming(contract)),
    sightings: () => ({ ...NO_SIGHTINGS, epochs }),
    keepOnly: (nodeName, uids) => void steps.push(`keep ${nodeName} [${uids.join(" ")}]`),
    log: () => undefined,
  });
});

/** Gives the task that answer to its question. */
function begin(openRequestUIDs: readonly string[], epochFloor: number, task: SlotTask): void {
  tasks.start(task);
  const asked = sent.find(({ type }) => type === "ask-open-requests");
  assert.ok(asked?.type === "ask-open-requests");
  assert.equal(asked.nodeName, "worker-1");
  tasks.read({ type: "open-requests-read", id: asked.id, openRequestUIDs, epochFloor });
}

/** Runs the task with that answer to its question; resolves with what it ended with. */
async function run(
  openRequestUIDs: readonly string[] = [],
  epochFloor = 0,
  task: SlotTask = TASK,
): Promise<FromCore & { readonly type: "slot-task-done" }> {
  begin(openRequestUIDs, epochFloor, task);
  await new Promise(setImmediate);
  const done = sent.find(({ type }) => type === "slot-task-done");
  assert.ok(done?.type === "slot-task-done");
  return done;
}

test("a message that no open request needs is replaced by a cleared record of its epoch", async () => {
  const done = await run();
  assert.deepEqual([done.id, done.nodeID, done.state, done.reason], ["task-1", 1, "Done", ""]);
  assert.deepEqual(writes[0]?.expected, { kind: "fence", record: MESSAGE });
  assert.equal(writes[0]?.record.epoch, 3);
});

test("an unreadable slot is repaired with the highest epoch that was ever recorded or read", async () => {
  slot = { kind: "unreadable", code: "BAD_CHECKSUM", detail: "checksum" };
  epochs = new Map([[1, 7]]);
  assert.equal((await run([], 9)).state, "Done");
  sent = [];
  assert.equal((await run([], 5, { ...REPAIR, id: "task-2" })).state, "Done");
  assert.deepEqual(
    writes.map(({ record }) => record.epoch),
    [9, 7],
  );
});

test("a repair goes by what the device holds when it is written, not by an older look", async () => {
  slot = { kind: "empty" };
  assert.equal((await run([], 0, REPAIR)).state, "Done");
  assert.equal(writes[0]?.expected.kind, "unreadable");
});

test("a repair leaves what can be read, and is done with it", async () => {
  slot = { kind: "fence", record: MESSAGE };
  answer = async () => ({ replaced: false, readBack: slot, endedRawMs: 0 });
  const { state, reason } = await run([], 0, REPAIR);
  assert.deepEqual([state, reason], ["Done", "the slot can be read by now"]);
  assert.equal(writes[0]?.expected.kind, "unreadable");
});

test("an open request keeps what cannot be read", async () => {
  slot = { kind: "unreadable", code: "BAD_CHECKSUM", detail: "checksum" };
  assert.equal((await run(["uid-1"], 0, REPAIR)).state, "Refused");
  assert.equal(writes.length, 0);
});

test("an open request keeps the message", async () => {
  const done = await run(["uid-1"]);
  assert.deepEqual([done.state, writes.length], ["Refused", 0]);
  assert.match(done.reason, /1 request\(s\) for the node are open/);
});

test("an agent that may not write for others refuses", async () => {
  contract = null;
  assert.match((await run()).reason, /no good pass/);
  assert.equal(writes.length, 0);
});

test("nothing is done before the device has shown the slot after all that was queued for it", async () => {
  const device = Promise.withResolvers<void>();
  deviceAnswers = device.promise;
  slot = { kind: "empty" };
  begin([], 0, TASK);
  await new Promise(setImmediate);
  assert.equal(
    sent.some(({ type }) => type === "slot-task-done"),
    false,
  );
  slot = { kind: "fence", record: MESSAGE };
  device.resolve();
  await new Promise(setImmediate);
  assert.deepEqual(writes[0]?.expected, slot);
});

test("the own fencer is told what is open before the slot is looked at", async () => {
  await run(["uid-1"]);
  assert.deepEqual(steps, ["keep worker-1 [uid-1]", "read-regions"]);
});

test("a slot that cannot be looked at is left", async () => {
  deviceAnswers = Promise.reject(new Error("EIO"));
  const { state, reason } = await run();
  assert.deepEqual([state, reason, writes.length], ["Failed", "EIO", 0]);
});

test("a slot that has changed meanwhile is left, and a write that is not read back has failed", async () => {
  answer = async () => ({ replaced: false, readBack: slot, endedRawMs: 0 });
  assert.equal((await run()).state, "Refused");
  sent = [];
  answer = async () => ({ replaced: true, readBack: slot, endedRawMs: 0 });
  assert.equal((await run()).state, "Failed");
  sent = [];
  answer = async () => await Promise.reject(new Error("EIO"));
  assert.deepEqual((await run()).reason, "EIO");
});

test("a task that is under way is not begun twice", () => {
  tasks.start(TASK);
  tasks.start(TASK);
  assert.equal(sent.length, 1);
});

test("there is nothing to clear in an empty slot", async () => {
  slot = { kind: "empty" };
  assert.deepEqual([(await run()).state, writes.length], ["Done", 0]);
});
