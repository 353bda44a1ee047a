import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NO_SIGHTINGS } from "../../observation/sightings.ts";
import type { FenceRecord, FenceSlot } from "../../protocol/fence-record.ts";
import { FENCE_REASON_MANUAL } from "../../protocol/message.ts";
import { deriveTiming, type TimingContract } from "../../timing/contract.ts";
import type { DeviceAnswer, FenceReplaced } from "./fence-device.ts";
import { createSlotTaskDriver, type SlotTaskDriver } from "./slot-task-driver.ts";
import type { FromSlotTasks, SlotTask } from "./slot-task-message.ts";

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

type Write = { readonly expected: FenceSlot; readonly record: FenceRecord };

/** A device of one fence slot; `answer` decides what a replacement comes back with. */
let writes: Write[];
let answer: (write: Write) => DeviceAnswer<FenceReplaced>;
let sent: FromSlotTasks[];
let slot: FenceSlot;
let contract: TimingContract | null;
/** Reads that wait for `deviceAnswers`. */
let reads: (() => void)[];
/** Null: reads are answered at once; else what they end with when the device comes back. */
let readError: string | null;
let hangs: boolean;
/** What became of the fencer's requests and of the device, in order. */
let steps: string[];
let epochs: ReadonlyMap<number, number>;
let nowMs: number;
let tasks: SlotTaskDriver;

beforeEach(() => {
  writes = [];
  sent = [];
  slot = { kind: "fence", record: MESSAGE };
  contract = CONTRACT;
  reads = [];
  readError = null;
  hangs = false;
  steps = [];
  epochs = new Map();
  nowMs = 1_000;
  answer = ({ record }) => ({
    ok: true,
    reply: { replaced: true, readBack: { kind: "cleared", record } },
  });
  let nonces = 0;
  tasks = createSlotTaskDriver({
    name: "worker-2",
    nodeID: 2,
    clock: { rawMs: () => nowMs, wallNs: () => 1n },
    nonce: () => String((nonces += 1)).padStart(32, "0"),
    device: {
      readFence(nodeID, answer) {
        steps.push(`read ${nodeID}`);
        reads.push(() =>
          answer(readError === null ? { ok: true, reply: slot } : { ok: false, error: readError }),
        );
        if (!hangs) deviceAnswers();
      },
      writeFence: () => assert.fail("a slot task compares before it writes"),
      replaceFence(expected, record, answered) {
        writes.push({ expected, record });
        answered(answer({ expected, record }));
      },
    },
    send: (message) => void sent.push(message),
    contract: () => contract,
    sightings: () => ({ ...NO_SIGHTINGS, epochs }),
    keepOnly: (nodeName, uids) => void steps.push(`keep ${nodeName} [${uids.join(" ")}]`),
    log: () => undefined,
  });
});

function deviceAnswers(): void {
  for (const read of reads.splice(0)) read();
}

function handOver(task: SlotTask = TASK): void {
  tasks.receive({ type: "slot-task", ...task });
}

/** IDs of the questions for open requests, the oldest first. */
function asked(): number[] {
  return sent.flatMap((message) => (message.type === "ask-open-requests" ? [message.id] : []));
}

function list(id: number, openRequestUIDs: readonly string[] = [], epochFloor = 0): void {
  tasks.receive({ type: "open-requests-read", id, openRequestUIDs, epochFloor });
}

function ends(): (FromSlotTasks & { readonly type: "slot-task-done" })[] {
  return sent.flatMap((message) => (message.type === "slot-task-done" ? [message] : []));
}

/** Runs the task with that answer to its question; what it ended with. */
function run(
  openRequestUIDs: readonly string[] = [],
  epochFloor = 0,
  task: SlotTask = TASK,
): FromSlotTasks & { readonly type: "slot-task-done" } {
  handOver(task);
  list(asked().at(-1) ?? 0, openRequestUIDs, epochFloor);
  const done = ends().at(-1);
  assert.ok(done !== undefined);
  return done;
}

test("a message that no open request needs is replaced by a cleared record of its epoch", () => {
  const done = run();
  assert.deepEqual([done.id, done.nodeID, done.state, done.reason], ["task-1", 1, "Done", ""]);
  assert.deepEqual(writes[0]?.expected, { kind: "fence", record: MESSAGE });
  assert.equal(writes[0]?.record.epoch, 3);
});

test("an unreadable slot is repaired with the highest epoch that was ever recorded or read", () => {
  slot = { kind: "unreadable", code: "BAD_CHECKSUM", detail: "checksum" };
  epochs = new Map([[1, 7]]);
  assert.equal(run([], 9).state, "Done");
  assert.equal(run([], 5, { ...REPAIR, id: "task-2" }).state, "Done");
  assert.deepEqual(
    writes.map(({ record }) => record.epoch),
    [9, 7],
  );
});

test("a repair goes by what the device holds when it is written, not by an older look", () => {
  slot = { kind: "empty" };
  assert.equal(run([], 0, REPAIR).state, "Done");
  assert.equal(writes[0]?.expected.kind, "unreadable");
});

test("a repair leaves what can be read, and is done with it", () => {
  slot = { kind: "fence", record: MESSAGE };
  answer = () => ({ ok: true, reply: { replaced: false, readBack: slot } });
  const { state, reason } = run([], 0, REPAIR);
  assert.deepEqual([state, reason], ["Done", "the slot can be read by now"]);
  assert.equal(writes[0]?.expected.kind, "unreadable");
});

test("an open request keeps what cannot be read", () => {
  slot = { kind: "unreadable", code: "BAD_CHECKSUM", detail: "checksum" };
  assert.equal(run(["uid-1"], 0, REPAIR).state, "Refused");
  assert.equal(writes.length, 0);
});

test("an open request keeps the message", () => {
  const done = run(["uid-1"]);
  assert.deepEqual([done.state, writes.length], ["Refused", 0]);
  assert.match(done.reason, /1 request\(s\) for the node are open/);
});

test("an agent that may not write for others refuses", () => {
  contract = null;
  assert.match(run().reason, /no good pass/);
  assert.equal(writes.length, 0);
});

test("nothing is done before the device has shown the slot after all that was queued for it", () => {
  hangs = true;
  slot = { kind: "empty" };
  handOver();
  list(1);
  assert.deepEqual(ends(), []);
  slot = { kind: "fence", record: MESSAGE };
  deviceAnswers();
  assert.deepEqual(writes[0]?.expected, slot);
});

test("the own fencer is told what is open before the slot is looked at", () => {
  run(["uid-1"]);
  assert.deepEqual(steps, ["keep worker-1 [uid-1]", "read 1"]);
});

test("a slot that cannot be looked at is left", () => {
  readError = "EIO";
  const { state, reason } = run();
  assert.deepEqual([state, reason, writes.length], ["Failed", "EIO", 0]);
});

test("a slot that has changed meanwhile is left, and a write that is not read back has failed", () => {
  answer = () => ({ ok: true, reply: { replaced: false, readBack: slot } });
  assert.equal(run().state, "Refused");
  answer = () => ({ ok: true, reply: { replaced: true, readBack: slot } });
  assert.equal(run().state, "Failed");
  answer = () => ({ ok: false, error: "EIO" });
  assert.deepEqual(run().reason, "EIO");
});

test("a question that is lost is asked anew when the task is handed over again", () => {
  handOver();
  handOver();
  assert.deepEqual(asked(), [1, 2]);
  list(2);
  assert.deepEqual([ends().length, ends()[0]?.state], [1, "Done"]);
});

test("the answer to a question that was asked anew is not heard", () => {
  handOver();
  nowMs += 5_000;
  handOver();
  list(1);
  assert.deepEqual([steps, ends()], [[], []]);
});

test("a list that does not come within ten seconds fails the task", () => {
  handOver();
  nowMs += 9_999;
  tasks.tick();
  assert.deepEqual(ends(), []);
  nowMs += 1;
  tasks.tick();
  assert.deepEqual(
    ends().map(({ state, reason }) => [state, reason]),
    [["Failed", "no list of open requests within 10 s"]],
  );
  list(1);
  assert.deepEqual([steps, ends().length], [[], 1]);
});

test("a task that waits for the device is not begun twice", () => {
  hangs = true;
  handOver();
  list(1);
  handOver();
  assert.deepEqual(asked(), [1]);
});

test("a device that does not answer within a minute fails the task, and what it shows later is not acted upon", () => {
  hangs = true;
  handOver();
  list(1);
  nowMs += 60_000;
  tasks.tick();
  assert.equal(ends()[0]?.reason, "the device has not answered within 60 s");
  deviceAnswers();
  assert.deepEqual(writes, []);
  hangs = false;
  assert.equal(run().state, "Done");
});

test("a device that hangs is asked no more than sixteen questions", () => {
  hangs = true;
  for (let task = 1; task <= 20; task += 1) {
    handOver({ ...TASK, id: `task-${task}` });
    list(task);
    nowMs += 60_000;
    tasks.tick();
  }
  assert.equal(reads.length, 16);
  assert.equal(ends().at(-1)?.reason, "16 earlier questions wait for the device");
  hangs = false;
  deviceAnswers();
  assert.equal(run([], 0, { ...TASK, id: "task-21" }).state, "Done");
});

test("there is nothing to clear in an empty slot", () => {
  slot = { kind: "empty" };
  assert.deepEqual([run().state, writes.length], ["Done", 0]);
});
