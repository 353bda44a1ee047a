import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { NO_SIGHTINGS, sightFences, sightHeartbeats } from "../../observation/sightings.ts";
import type { FenceRecord } from "../../protocol/fence-record.ts";
import type { HeartbeatSlot } from "../../protocol/heartbeat-record.ts";
import { FENCE_REASON_MANUAL } from "../../protocol/message.ts";
import type { AgentClock } from "../../agent/driver/agent-ports.ts";
import type { FencerState } from "../fencer-state.ts";
import type { DeviceAnswer, FenceWritten } from "./fence-device.ts";
import { createFencerHost, type FencerHost } from "./fencer-host.ts";
import type { FenceOrder, FromFencer } from "./fencer-message.ts";
import { armedHeartbeat } from "../../protocol/testing/heartbeat-record.ts";

const CONTRACT = { timeoutMs: 6_000, watchdogMs: 4_000 };
const BOOT = "8c1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e21";
const ORDER: FenceOrder = {
  type: "fence",
  uid: "uid-1",
  nodeName: "worker-1",
  nodeID: 1,
  reason: FENCE_REASON_MANUAL,
  pausableNodes: "Accept",
};
const GRANTED = { granted: true, detail: "", epoch: 0, confirmation: null, nodeBootID: "" };
const NODE = {
  nodeUID: "node-1",
  bootID: BOOT,
  machineIDs: [],
  noExecute: false,
  sbdNodes: [],
  heldNodeIDs: [],
};
const TARGET: HeartbeatSlot = {
  kind: "heartbeat",
  record: armedHeartbeat({
    timestampNs: 1n,
    sequence: 9,
    bootID: BOOT,
    uptimeMs: 90_000,
    machineID: "a".repeat(32),
    startID: "0".repeat(16),
    ...CONTRACT,
    moving: [2],
    passLatencyMs: 3,
  }),
};

/** Of a host that has slept: what a fencer waits by must not count that. */
const SLEPT_CLOCK: AgentClock = {
  rawMs: () => nowMs,
  livedMs: () => nowMs + 1_000_000,
  wallNs: () => 1n,
};

let nowMs: number;
let mayFence: boolean;
let sent: FromFencer[];
/** Writes that the device has not answered yet. */
let writes: { record: FenceRecord; answer: (written: DeviceAnswer<FenceWritten>) => void }[];
let states: Map<string, FencerState>;
let looksWanted: number;
let host: FencerHost;

beforeEach(() => {
  nowMs = 100_000;
  mayFence = true;
  sent = [];
  writes = [];
  states = new Map();
  looksWanted = 0;
  let nonces = 0;
  host = createFencerHost({
    name: "worker-2",
    nodeID: 2,
    clock: SLEPT_CLOCK,
    nonce: () => String((nonces += 1)).padStart(32, "0"),
    device: {
      readFence: () => assert.fail("a fencer goes by what its process reads"),
      writeFence: (record, answer) => void writes.push({ record, answer }),
      replaceFence: () => assert.fail("a fencer replaces nothing"),
    },
    send: (message) => void sent.push(message),
    contract: () => (mayFence ? CONTRACT : null),
    stepped: ({ after }) => void states.set(after.config.target.nodeName, after),
    lookSoon: () => void (looksWanted += 1),
    log: () => undefined,
  });
});

/** A pass that shows the target and an empty fence region. */
function pass(): void {
  const times = { startedMs: nowMs, endedMs: nowMs };
  const seen = sightHeartbeats(host.sightings, { ...times, slots: new Map([[1, TARGET]]) });
  host.sight(sightFences(seen, { ...times, slots: new Map() }));
}

function asked(type: "ask-request" | "ask-node"): number[] {
  return sent.flatMap((message) => (message.type === type ? [message.id] : []));
}

function grant(id: number): void {
  host.receive({ type: "request-read", id, reading: GRANTED });
}

function requests(): readonly string[] {
  return states.get("worker-1")?.requests.map(({ uid }) => uid) ?? [];
}

/** Ordered, granted, and its message on the way. */
function fence(): void {
  host.receive(ORDER);
  pass();
  grant(asked("ask-request")[0] ?? 0);
}

test("an order is carried out: asked for, granted, written", () => {
  fence();
  assert.deepEqual(
    writes.map(({ record }) => [record.targetNodeID, record.targetBootID, record.requestUID]),
    [[1, BOOT, "uid-1"]],
  );
});

test("a read of the device is asked for once for each request: only what is read since counts", () => {
  host.receive(ORDER);
  host.receive(ORDER);
  assert.equal(looksWanted, 1);
  host.receive({ ...ORDER, uid: "uid-2" });
  assert.equal(looksWanted, 2);
});

test("a grant is dated at its question, however late it comes", () => {
  host.receive(ORDER);
  nowMs += 1_000;
  grant(1);
  assert.equal(states.get("worker-1")?.requests[0]?.grantedMs, 100_000);
});

function told(): string | undefined {
  return sent.findLast((message) => message.type === "report")?.report.detail;
}

test("a request is said to be about another boot only once it has told which it is about", () => {
  host.receive(ORDER);
  pass();
  assert.equal(told(), "");
  host.receive({ type: "node-read", id: asked("ask-node")[0] ?? 0, reading: NODE });
  const reading = { ...GRANTED, nodeBootID: "the-boot-before" };
  host.receive({ type: "request-read", id: asked("ask-request")[0] ?? 0, reading });
  host.report();
  assert.match(told() ?? "", /is about boot the-boot-before, and boot 8c1d4c6e/);
  assert.equal(writes.length, 0);
});

test("an answer is heard once, and by the fencer that asked", () => {
  host.receive(ORDER);
  host.receive({ ...ORDER, uid: "uid-3", nodeName: "worker-3", nodeID: 3 });
  const [first = 0, second = 0] = asked("ask-request");
  grant(second);
  assert.deepEqual(
    [...states.values()].map(({ requests }) => requests[0]?.grantedMs),
    [null, 100_000],
  );
  host.receive({ type: "request-read", id: second, reading: { ...GRANTED, granted: false } });
  host.receive({ type: "node-read", id: first, reading: NODE });
  assert.equal(states.get("worker-3")?.requests[0]?.grantedMs, 100_000);
  assert.equal(states.get("worker-1")?.node, null);
});

test("an answer that comes T after its question is not heard", () => {
  host.receive(ORDER);
  nowMs += CONTRACT.timeoutMs + 1;
  host.tick();
  grant(1);
  assert.equal(states.get("worker-1")?.requests[0]?.grantedMs, null);
});

test("however many targets there are, the answer of each is waited for", () => {
  for (let target = 3; target < 123; target += 1) {
    host.receive({ ...ORDER, uid: `uid-${target}`, nodeName: `w-${target}`, nodeID: target });
  }
  for (const id of asked("ask-request")) grant(id);
  assert.ok([...states.values()].every(({ requests }) => requests[0]?.grantedMs === 100_000));
});

test("a write that is not answered within a minute has failed, and its late answer is old news", () => {
  fence();
  const [write] = writes;
  assert.equal(states.get("worker-1")?.message.kind, "writing");
  nowMs += 60_000;
  host.tick();
  const failed = states.get("worker-1")?.message;
  assert.equal(failed?.kind, "retrying");
  assert.match(failed?.kind === "retrying" ? failed.error : "", /not answered within 60 s/);
  assert.ok(write !== undefined);
  const readBack = { kind: "fence", record: write.record } as const;
  write.answer({ ok: true, reply: { readBack, endedMs: nowMs } });
  assert.equal(states.get("worker-1")?.message.kind, "retrying");
});

test("what SBDConfig says of pausable nodes by now counts for a fencer that is at work", () => {
  host.receive(ORDER);
  host.receive({ ...ORDER, pausableNodes: "Refuse" });
  assert.deepEqual(states.get("worker-1")?.config.cluster, { pausableNodes: "Refuse" });
});

test("no order is taken before a good pass, nor against the own node", () => {
  host.receive({ ...ORDER, nodeName: "worker-2", nodeID: 2 });
  mayFence = false;
  host.receive(ORDER);
  assert.deepEqual([states.size, sent], [0, []]);
});

test("requests that a list does not show open are withdrawn, and nothing is written for them", () => {
  host.receive(ORDER);
  host.receive({ ...ORDER, uid: "uid-2" });
  host.keepOnly("worker-3", []);
  host.keepOnly("worker-1", ["uid-2"]);
  assert.deepEqual(requests(), ["uid-2"]);
  host.keepOnly("worker-1", []);
  assert.deepEqual(requests(), []);
  pass();
  grant(asked("ask-request")[0] ?? 0);
  assert.deepEqual(writes, []);
});

test("what a withdrawn fencer has had in flight is not taken up by the next one", () => {
  fence();
  host.receive({ type: "withdraw", uid: "uid-1" });
  host.receive({ ...ORDER, uid: "uid-2" });
  const [write] = writes;
  assert.ok(write !== undefined);
  const readBack = { kind: "fence", record: write.record } as const;
  write.answer({ ok: true, reply: { readBack, endedMs: nowMs } });
  assert.deepEqual(states.get("worker-1")?.message, { kind: "none" });
});

test("a fencer starts with what its process has seen", () => {
  pass();
  host.receive(ORDER);
  assert.notEqual(states.get("worker-1")?.sightings, NO_SIGHTINGS);
  assert.equal(states.get("worker-1")?.sightings.heartbeats.size, 1);
});
