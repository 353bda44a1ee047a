import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { encodeHeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import { agentConfig } from "../scenarios/agent-config-for-tests.ts";
import { deviceHeader, FakeDevice, STRIDE_BYTES } from "../scenarios/fake-device.ts";
import { createAgentDriver, type AgentDriver } from "./agent-driver.ts";
import type { AgentHostState, AgentPorts, AgentWatchdog } from "./agent-ports.ts";

const CONFIG = agentConfig({});
const HEADER = deviceHeader(6_000, 4_000, "SelfFence");

let nowMs: number;
let calls: string[];
/** What the next calls of that name throw, the first one first. */
let failures: Map<string, string[]>;
/** Done when an effect of that kind is about to be carried out. */
let before: Map<string, () => void>;
let driver: AgentDriver;

/** Each call is kept, or fails as it was told to. */
function called(name: string): void {
  const error = failures.get(name)?.shift();
  if (error !== undefined) throw new Error(error);
  calls.push(name);
}

const WATCHDOG: AgentWatchdog = {
  open(timeoutSeconds) {
    called("open");
    return { reportedSeconds: timeoutSeconds, options: null };
  },
  startPetter: () => called("start-petter"),
  pushDeadline: () => undefined,
  latch: () => called("latch"),
  shorten: (reportedSeconds) => ({ ok: true, reportedSeconds }),
  release: () => called("release"),
  stretch: () => called("stretch"),
  look: () => ({ kind: "absent", path: "/dev/watchdog", detail: "no such device" }),
  petCounts: () => ({ pets: 0, petErrors: 0 }),
};

const HOST_STATE: AgentHostState = {
  keepFirstRead: () => undefined,
  forgetUncleanStarts: () => undefined,
  recordLatch: () => undefined,
  recordSlot: ({ nodeID }) => called(`slot ${nodeID}`),
  endInOrder: ({ unconfirmedWrite }) => called(unconfirmedWrite ? "end, unsure of a write" : "end"),
  disown: () => called("disown"),
};

function portsOf(disk: FakeDevice): AgentPorts {
  return {
    clock: { livedMs: () => nowMs, rawMs: () => nowMs, wallNs: () => 0n },
    nonce: () => "0".repeat(32),
    device: {
      readPass: (nodeID, answer) =>
        answer({
          ok: true,
          reply: {
            header: disk.readHeader(),
            fence: disk.fence(nodeID),
            heartbeat: disk.heartbeat(nodeID),
            samePath: true,
            uptimeMs: nowMs,
            wallNs: 0n,
          },
        }),
      writeHeartbeat(record, _urgency, answer) {
        const error = failures.get("write")?.shift();
        if (error === undefined) {
          disk.putHeartbeat(record.nodeID, encodeHeartbeatRecord(record, STRIDE_BYTES));
        }
        answer(error === undefined ? { ok: true, reply: null } : { ok: false, error });
      },
      readRegions: () => undefined,
      readFence: () => undefined,
      writeFence: () => undefined,
      replaceFence: () => undefined,
    },
    watchdog: WATCHDOG,
    hostState: HOST_STATE,
    send: () => undefined,
    tell: () => undefined,
    reboot: () => called("reboot"),
    exit: (code) => called(`exit ${code}`),
    log: () => undefined,
    logFencing: () => undefined,
    watch: { before: ({ type }) => before.get(type)?.() },
  };
}

function passMs(ms: number): void {
  for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 100) driver.tick();
}

beforeEach(() => {
  nowMs = 1_000;
  calls = [];
  failures = new Map();
  before = new Map();
  driver = createAgentDriver(CONFIG, portsOf(new FakeDevice(HEADER)));
});

test("a watchdog is not opened when the deadline has passed between the decision and the call", () => {
  let late = 0;
  before.set("open-watchdog", () => {
    if (late < 1) nowMs += HEADER.timeoutMs;
    late += 1;
  });
  driver.tick();
  assert.equal(late, 1);
  assert.deepEqual(calls, []);
  passMs(2_000);
  assert.deepEqual(calls, ["open", "start-petter"], "after a good pass of its own");
});

test("an agent that cannot release its watchdog yet ends when it has, and not before", () => {
  passMs(3_000);
  failures.set("release", ["STILL_PETTING", "STILL_PETTING"]);
  calls = [];
  driver.terminate();
  passMs(100);
  assert.deepEqual(calls, []);
  passMs(2_000);
  assert.deepEqual(calls, ["release", "end", "disown", "exit 0"]);
});

test("a slot that could not be recorded is taken when it is told again", () => {
  passMs(3_000);
  calls = [];
  failures.set("slot 7", ["EROFS"]);
  driver.receive({ type: "slot", nodeID: 7, sbdNode: "config-7" });
  passMs(2_000);
  assert.deepEqual(calls, [], "it leaves, and the next start would take this slot again");
  driver.receive({ type: "slot", nodeID: 7, sbdNode: "config-7" });
  driver.receive({ type: "slot", nodeID: 7, sbdNode: "config-7" });
  passMs(2_000);
  assert.deepEqual(calls, ["slot 7", "release", "end", "disown", "exit 0"]);
});

test("a write of this boot that may land late is told to the next start with the end in order", () => {
  failures.set("write", ["EIO"]);
  driver.tick();
  assert.ok(driver.state.unconfirmedWrite);
  driver.terminate();
  assert.deepEqual(calls, ["end, unsure of a write", "exit 0"]);
});
