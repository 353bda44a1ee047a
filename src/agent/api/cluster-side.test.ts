import assert from "node:assert/strict";
import { test } from "node:test";

import type { SBDNode } from "../../api/sbd-node.ts";
import type { FencerSide } from "../../fencing/cluster/fencer-side.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import type { KubePort } from "../../kube/kube-port.ts";
import { createClusterSide, type ClusterSide } from "./cluster-side.ts";
import { armedAgent } from "./testing/agent-status-for-tests.ts";
import { sbdNode } from "./testing/sbd-node-for-tests.ts";

const WALL_START_MS = Date.parse("2026-01-01T00:00:00Z");
const MINUTE_MS = 60_000;

/** One agent's API side over a store that takes every patch at once; time is what a test lets pass. */
class Agent {
  nowMs: number;
  /** When the own SBDNode was written. */
  readonly writtenMs: number[] = [];
  sbdNodes: readonly SBDNode[] = ["worker-1", "worker-2"].map((name, at) => sbdNode(name, at + 1));
  requestInHand = false;
  readonly #side: ClusterSide;

  constructor(startMs = 0) {
    this.nowMs = startMs;
    const own = this.sbdNodes[0] as unknown as KubeObject;
    const kube: KubePort = {
      get: (_type, _ref, _within, answer) => answer({ ok: true, reply: own }),
      list: () => assert.fail("nothing is listed"),
      patchStatus: (_type, _object, _status, _within, answer) => {
        this.writtenMs.push(this.nowMs);
        answer({ ok: true, reply: { kind: "done", object: own } });
      },
    };
    const fencer: FencerSide = {
      connected: () => undefined,
      review: () => undefined,
      receive: () => undefined,
      hasRequests: () => this.requestInHand,
      close: () => undefined,
    };
    this.#side = createClusterSide({
      kube,
      clock: { monoMs: () => this.nowMs, wallMs: () => WALL_START_MS + this.nowMs },
      nodeName: "worker-1",
      configName: "config",
      sbdNodes: () => this.sbdNodes,
      fencer: () => fencer,
      send: () => undefined,
      recordEvent: () => undefined,
      troubles: { note: () => undefined },
    });
  }

  /** Its core process tells of a good pass a second. */
  pass(ms: number, status: Parameters<typeof armedAgent>[0] = {}): void {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs;) {
      this.nowMs += 1_000;
      this.#side.receive({ type: "status", status: armedAgent(status) });
      this.#side.review();
    }
  }

  /** Writes in the next minute. */
  writesAMinute(status: Parameters<typeof armedAgent>[0] = {}): number {
    const before = this.writtenMs.length;
    this.pass(MINUTE_MS, status);
    return this.writtenMs.length - before;
  }
}

test("in quiet an agent writes twice a minute, whatever else is new in the cluster", () => {
  const agent = new Agent();
  agent.pass(MINUTE_MS);
  assert.equal(agent.writesAMinute(), 2);
  agent.sbdNodes = [...agent.sbdNodes];
  assert.equal(agent.writesAMinute(), 2);
});

test("while a request is in hand it writes every five seconds, whoever is to fence", () => {
  const agent = new Agent();
  agent.pass(MINUTE_MS);
  agent.requestInHand = true;
  assert.equal(agent.writesAMinute(), 12);
  agent.requestInHand = false;
  assert.equal(agent.writesAMinute(), 2);
});

test("a request has agents write within five seconds, but not all in one instant", () => {
  const firsts = Array.from({ length: 5 }, (_, phase) => {
    const agent = new Agent(phase * 1_000);
    agent.pass(2 * MINUTE_MS + 13_000 - phase * 1_000);
    agent.requestInHand = true;
    const askedMs = agent.nowMs;
    agent.pass(10_000);
    const first = agent.writtenMs.find((atMs) => atMs > askedMs) ?? Infinity;
    assert.ok(first - askedMs <= 5_000);
    return (first - phase * 1_000) % 5_000;
  });
  assert.equal(new Set(firsts).size, firsts.length);
});

test("an agent that a peer misses, and one that is not armed or has trouble, write every five seconds", () => {
  const missed = new Agent();
  const unhealthyPeers = [{ nodeID: 1, nodeName: "worker-1" }];
  missed.sbdNodes = [
    sbdNode("worker-1", 1),
    sbdNode("worker-2", 2, { status: { unhealthyPeers } }),
  ];
  missed.pass(MINUTE_MS);
  assert.equal(missed.writesAMinute(), 12);
  for (const status of [
    { watchdog: "unarmed" },
    { trouble: "the shared device cannot be read" },
    { life: "leaving" },
  ] as const) {
    const agent = new Agent();
    agent.pass(MINUTE_MS, status);
    assert.equal(agent.writesAMinute(status), 12, JSON.stringify(status));
  }
});

test("what is new is written at once", () => {
  const agent = new Agent();
  agent.pass(MINUTE_MS + 4_000);
  const trouble = "the shared device cannot be read";
  agent.pass(1_000, { trouble });
  assert.equal(agent.writtenMs.at(-1), agent.nowMs);
});
