import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";

import { REMEDIATION_FINALIZER } from "../api/remediation-names.ts";
import type { Action } from "./action.ts";
import { ApiModel, merge, type Stored } from "./scenarios/api-model.ts";
import { bootOf } from "./scenarios/cluster.ts";
import { guardWrite } from "./scenarios/guard-write.ts";
import { Leader, wallAt } from "./scenarios/leader.ts";
import { isOpen, nodeNameOf, type Snapshot } from "./snapshot.ts";

/*
 * Two leaders at once, each deciding on caches that are old, every kind by its own age, and writing
 * when others have written in between. Fencers write on grants that are as old as T. Held against the
 * truth, which neither leader sees:
 * - what `guardWrite` refuses: success without evidence, a fencer before finalizer and taint, a
 *   condition that goes back, out of service on a Ready node or another boot;
 * - no message lands for a node that nobody condemns, and none is left standing for a running boot
 *   when the last request goes;
 * - when the dust has settled, each node without a request is without taints of ours.
 */
const SEED = 20_260_103;
const RUNS = 100;
const NODES = ["worker-1", "worker-2", "worker-3", "worker-4", "worker-5"] as const;
const T_MS = 10_000;
/** Caches are not older; M is 22 s. */
const CACHE_AGE_MAX_MS = 15_000;
const LOOKS_MAX = 5;
const SETTLING_ROUNDS = 40;
const SETTLING_ROUND_MS = 2_500;
const KINDS = ["sbdNodes", "remediations", "nodes", "pods"] as const;

/** How often each happens, against the others. */
const WEIGHTS = {
  refresh: 4,
  decide: 3,
  write: 3,
  look: 8,
  "pass-time": 3,
  request: 3,
  "delete-request": 1,
  "time-out": 1,
  "fencer-reads": 5,
  "fencer-writes": 4,
  "fencer-fails": 1,
  "fencer-proves": 3,
  "target-obeys": 1,
  "node-dies": 1,
  "node-returns": 1,
  "node-deleted": 1,
  "agent-silent": 1,
  "clear-slot": 2,
  "sudden-end": 2,
  "new-leader": 1,
  "pod-starts": 1,
  "pod-ends": 1,
} as const;
type Blow = keyof typeof WEIGHTS;
type Step = { readonly blow: Blow; readonly dice: number };

const plans = fc.array(
  fc.record<Step>({
    blow: fc.oneof(
      ...Object.entries(WEIGHTS).map(([blow, weight]) => ({
        weight,
        arbitrary: fc.constant(blow as Blow),
      })),
    ),
    dice: fc.nat(9_999),
  }),
  {
    minLength: 60,
    maxLength: 140,
    size: "max",
  },
);

type Message = { readonly bootID: string };
type Grant = { readonly agent: string; readonly uid: string; readonly atMs: number };
type Tally = Map<string, number>;

class World {
  readonly #tally: Tally;
  readonly #api: ApiModel;
  readonly #leaders: Peer[];
  readonly #messages = new Map<string, Message>();
  readonly #silent = new Set<string>();
  readonly #dead = new Set<string>();
  readonly #boots = new Map<string, number>(NODES.map((name) => [name, 1]));
  #grants: Grant[] = [];
  #nowMs = 0;
  #requests = 0;

  constructor(tally: Tally) {
    this.#tally = tally;
    this.#api = new ApiModel(() => wallAt(this.#nowMs));
    this.#api.create(
      "SBDConfig",
      { name: "default" },
      {
        spec: {
          sbdDevicePVCName: "sbd-device",
          sbdTimeoutSeconds: 10,
          watchdogTimeoutSeconds: 5,
          sbdWatchdogPath: "/dev/watchdog",
        },
      },
    );
    for (const name of NODES) {
      this.#addNode(name);
    }
    this.#leaders = [this.#newPeer(), this.#newPeer()];
    for (let round = 0; round < 3; round += 1) {
      this.#look(this.#peer(0));
    }
    this.#beat();
  }

  step({ blow, dice }: Step): void {
    this.#tally.set(blow, (this.#tally.get(blow) ?? 0) + 1);
    const peer = this.#peer(dice);
    const node = NODES[dice % NODES.length] ?? "worker-1";
    switch (blow) {
      case "refresh":
        this.#refresh(peer, [KINDS[dice % KINDS.length] ?? "nodes"]);
        return;
      case "decide":
        peer.leader.look(peer.seen, this.#nowMs);
        return;
      case "write":
        peer.leader.write(this.#nowMs);
        return;
      case "look":
        for (let round = 0; round <= dice % LOOKS_MAX; round += 1) {
          this.#look(peer);
        }
        return;
      case "pass-time":
        this.#passTime(1_000 + (dice % 7_000));
        return;
      case "request":
        this.#requests += 1;
        this.#api.create(
          "SBDRemediation",
          { name: `req-${this.#requests}`, namespace: "sbd-system" },
          { spec: { nodeName: NODES[dice % 3] } },
        );
        return;
      case "delete-request":
        this.#withRequest(dice, ({ metadata }) => this.#delete(metadata.name));
        return;
      case "time-out":
        this.#withRequest(dice, ({ metadata }) =>
          this.#api.change("SBDRemediation", metadata.name, (object) => {
            object.metadata.annotations = {
              "remediation.medik8s.io/nhc-timed-out": wallAt(this.#nowMs),
            };
          }),
        );
        return;
      case "fencer-reads":
        this.#withRequest(dice, (request) => this.#grant(request));
        return;
      case "fencer-writes":
        this.#fencerWrites(dice);
        return;
      case "fencer-fails":
        this.#withRequest(dice, (request) =>
          this.#report(request, { state: "Failed", reason: "EIO" }),
        );
        return;
      case "fencer-proves":
        for (const request of this.#api.list("SBDRemediation")) {
          this.#prove(request);
        }
        return;
      case "target-obeys":
        for (const name of this.#messages.keys()) {
          this.#die(name);
        }
        return;
      case "node-dies":
        if (dice % 3 === 0) {
          this.#die(node);
        }
        return;
      case "node-returns":
        this.#return(node);
        return;
      case "node-deleted":
        this.#deleteNode(node, dice);
        return;
      case "agent-silent":
        this.#silent.add(node);
        return;
      case "clear-slot":
        this.#clearSlots();
        return;
      case "sudden-end":
        this.#endSuddenly(dice);
        return;
      case "new-leader":
        peer.leader.forget();
        return;
      case "pod-starts":
        this.#api.create(
          "Pod",
          { name: `app-${dice}`, namespace: "apps" },
          { spec: { nodeName: node } },
        );
        return;
      case "pod-ends": {
        const [pod] = this.#api.list("Pod");
        if (pod !== undefined) {
          this.#api.delete("Pod", pod.metadata.name);
        }
      }
    }
  }

  /** A fencer with a fresh grant is replaced or withdrawn, the request deleted, the slot cleared; then it writes. */
  #endSuddenly(dice: number): void {
    this.step({ blow: "fencer-reads", dice });
    this.step({ blow: dice % 3 === 0 ? "time-out" : "fencer-fails", dice });
    for (const blow of ["delete-request", "clear-slot", "fencer-writes"] as const) {
      this.#look(this.#peer(dice));
      if (dice % 5 === 0 && blow === "clear-slot") {
        this.step({ blow: "new-leader", dice });
      }
      for (let round = 0; round < LOOKS_MAX; round += 1) {
        this.#look(this.#peer(dice + (blow === "delete-request" ? 1 : 0)));
      }
      this.step({ blow, dice });
    }
  }

  /** Everybody is well, every request goes, both leaders look: nothing of ours may be left. */
  settle(): void {
    for (const name of NODES) {
      this.#return(name);
      if (this.#api.get("Node", name) === null) {
        this.#addNode(name);
      }
    }
    for (const { metadata } of this.#api.list("SBDRemediation")) {
      this.#delete(metadata.name);
    }
    for (let round = 0; round < SETTLING_ROUNDS; round += 1) {
      this.#passTime(SETTLING_ROUND_MS);
      this.#clearSlots();
      this.#look(this.#peer(round));
    }
    assert.deepEqual(
      this.#api.list("SBDRemediation").map(({ metadata }) => metadata.name),
      [],
      "a request was not released",
    );
    for (const { metadata, spec } of this.#api.list("Node")) {
      const { taints = [] } = (spec ?? {}) as { taints?: object[] };
      assert.deepEqual(taints, [], `a taint was left on ${metadata.name}`);
    }
  }

  #peer(dice: number): Peer {
    const peer = this.#leaders[dice % this.#leaders.length];
    assert.ok(peer);
    return peer;
  }

  #newPeer(): Peer {
    const seen = this.#api.snapshot();
    const leader = new Leader(this.#api, (action, decidedOn) => {
      this.#tally.set(action.type, (this.#tally.get(action.type) ?? 0) + 1);
      guardWrite(action, decidedOn, this.#api);
      this.#guardRelease(action, decidedOn);
    });
    return { leader, seen, seenMs: new Map() };
  }

  #refresh(peer: Peer, kinds: readonly (typeof KINDS)[number][]): void {
    const now = this.#api.snapshot();
    peer.seen = { ...peer.seen, ...Object.fromEntries(kinds.map((kind) => [kind, now[kind]])) };
    for (const kind of kinds) {
      peer.seenMs.set(kind, this.#nowMs);
    }
  }

  #look(peer: Peer): void {
    peer.seen = this.#api.snapshot();
    for (const kind of KINDS) {
      peer.seenMs.set(kind, this.#nowMs);
    }
    peer.leader.look(peer.seen, this.#nowMs);
    peer.leader.write(this.#nowMs);
  }

  #passTime(ms: number): void {
    this.#nowMs += ms;
    this.#beat();
    for (const peer of this.#leaders) {
      // Caches are read again in time.
      const old = KINDS.filter(
        (kind) => this.#nowMs - (peer.seenMs.get(kind) ?? 0) > CACHE_AGE_MAX_MS,
      );
      this.#refresh(peer, old);
    }
  }

  #beat(): void {
    for (const { metadata, spec } of this.#api.list("SBDNode")) {
      const { nodeName } = spec as { nodeName: string };
      if (!this.#silent.has(nodeName)) {
        this.#api.change("SBDNode", metadata.name, (object) => {
          object.status = merge(object.status ?? {}, {
            lastPassTime: wallAt(this.#nowMs),
            armed: true,
          });
        });
      }
    }
  }

  #withRequest(dice: number, act: (request: Stored) => void): void {
    const requests = this.#api.list("SBDRemediation");
    const request = requests[dice % Math.max(1, requests.length)];
    if (request !== undefined) {
      act(request);
    }
  }

  #delete(name: string): void {
    this.#api.delete("SBDRemediation", name);
  }

  /** A consistent GET by whoever is named: not deleting, our finalizer, names it. */
  #grant({ metadata, status }: Stored): void {
    const agent = (status as Fenced | undefined)?.fencing?.agent ?? "";
    if (
      agent !== "" &&
      !this.#silent.has(agent) &&
      metadata.deletionTimestamp === undefined &&
      metadata.finalizers?.includes(REMEDIATION_FINALIZER) === true
    ) {
      this.#grants.push({ agent, uid: metadata.uid, atMs: this.#nowMs });
    }
  }

  #fencerWrites(dice: number): void {
    const live = this.#grants.filter(({ atMs }) => this.#nowMs - atMs <= T_MS);
    const grant = live[dice % Math.max(1, live.length)];
    const request = this.#api
      .list("SBDRemediation")
      .find(({ metadata }) => metadata.uid === grant?.uid);
    if (grant === undefined) {
      return;
    }
    assert.ok(request, "a message landed for a request that is gone");
    const { nodeName } = request.spec as { nodeName: string };
    const bootID = this.#runningBoot(nodeName);
    if (bootID === null) {
      return;
    }
    this.#tally.set("landed", (this.#tally.get("landed") ?? 0) + 1);
    this.#messages.set(nodeName, { bootID });
    const agent = (request.status as Fenced | undefined)?.fencing?.agent;
    if (agent === grant.agent) {
      this.#report(request, { state: "Durable", bootID });
    }
  }

  #report({ metadata, status }: Stored, fencing: object): void {
    const agent = (status as Fenced | undefined)?.fencing?.agent ?? "";
    if (agent !== "") {
      this.#api.change("SBDRemediation", metadata.name, (object) => {
        object.status = merge(object.status, { fencing });
      });
    }
  }

  /** Only what is true: the boot that the message addresses is dead. */
  #prove(request: Stored): void {
    const { nodeName } = request.spec as { nodeName: string };
    const bootID = this.#messages.get(nodeName)?.bootID;
    if (bootID !== undefined && this.#dead.has(bootID) && isOpen(asRequest(request))) {
      this.#tally.set("proven", (this.#tally.get("proven") ?? 0) + 1);
      this.#report(request, {
        state: "Proven",
        evidence: { kind: "Rebooted", time: wallAt(this.#nowMs), bootID, detail: "dead" },
      });
    }
  }

  #runningBoot(nodeName: string): string | null {
    const bootID = bootOf(nodeName, this.#boots.get(nodeName));
    return this.#dead.has(bootID) ? null : bootID;
  }

  #die(nodeName: string): void {
    this.#dead.add(bootOf(nodeName, this.#boots.get(nodeName)));
    this.#silent.add(nodeName);
    this.#setNode(nodeName, "Unknown");
  }

  #return(nodeName: string): void {
    if (this.#runningBoot(nodeName) === null) {
      this.#boots.set(nodeName, (this.#boots.get(nodeName) ?? 1) + 1);
    }
    this.#silent.delete(nodeName);
    this.#setNode(nodeName, "True");
  }

  #setNode(nodeName: string, ready: string): void {
    if (this.#api.get("Node", nodeName) === null) {
      return;
    }
    this.#api.change("Node", nodeName, (node) => {
      const bootID = bootOf(nodeName, this.#boots.get(nodeName));
      const shown = ready === "True" ? { nodeInfo: { bootID } } : {};
      node.status = merge(node.status, {
        ...shown,
        conditions: [{ type: "Ready", status: ready }],
      });
    });
  }

  #addNode(name: string): void {
    this.#api.create(
      "Node",
      { name, labels: { "kubernetes.io/os": "linux" } },
      {
        spec: {},
        status: {
          nodeInfo: { bootID: bootOf(name, this.#boots.get(name)) },
          conditions: [{ type: "Ready", status: "True" }],
        },
      },
    );
  }

  /** With the Node its message becomes the SBDNode's affair. */
  #deleteNode(name: string, dice: number): void {
    if (dice % 4 === 0 && this.#api.get("Node", name) !== null) {
      this.#api.delete("Node", name);
      this.#messages.delete(name);
    } else if (this.#api.get("Node", name) === null) {
      this.#addNode(name);
    }
  }

  /** Whoever has a slot task does it, on a consistent list without an open request for the node. */
  #clearSlots(): void {
    const { remediations } = this.#api.snapshot();
    for (const { spec, status } of this.#api.list("SBDNode")) {
      const { slotTask } = (status ?? {}) as { slotTask?: { id: string; agent: string } };
      const { nodeName, nodeID } = spec as { nodeName: string; nodeID: number };
      const writer = this.#api
        .list("SBDNode")
        .find((node) => (node.spec as { nodeName: string }).nodeName === slotTask?.agent);
      const results = (writer?.status as SlotResults | undefined)?.slotTaskResults ?? [];
      if (results.some(({ id }) => id === slotTask?.id)) {
        continue;
      }
      const wanted = remediations.filter(
        (request) => isOpen(request) && nodeNameOf(request) === nodeName,
      );
      if (slotTask === undefined || writer === undefined || this.#silent.has(slotTask.agent)) {
        continue;
      }
      const uids = new Set(
        remediations
          .filter((request) => nodeNameOf(request) === nodeName)
          .map(({ metadata }) => metadata.uid),
      );
      if (wanted.length > 0) {
        continue;
      }
      // Its writes are in order, so one that it had in flight came before, or never will.
      this.#grants = this.#grants.filter(
        ({ agent, uid }) => agent !== slotTask.agent || !uids.has(uid),
      );
      this.#messages.delete(nodeName);
      this.#tally.set("cleared", (this.#tally.get("cleared") ?? 0) + 1);
      this.#api.change("SBDNode", writer.metadata.name, (object) => {
        const result = { id: slotTask.id, nodeID, state: "Done", time: wallAt(this.#nowMs) };
        object.status = merge(object.status, { slotTaskResults: [...results, result] });
      });
    }
  }

  /** The last request for a node goes: no message may stand for its running boot, or come later. */
  #guardRelease(action: Action, decidedOn: Snapshot): void {
    if (
      action.type !== "set-remediation-finalizers" ||
      action.finalizers.includes(REMEDIATION_FINALIZER)
    ) {
      return;
    }
    const request = decidedOn.remediations.find(
      ({ metadata }) => metadata.uid === action.target.uid,
    );
    assert.ok(request?.metadata.deletionTimestamp, "released and not being deleted");
    const nodeName = nodeNameOf(request) ?? "";
    const others = this.#api
      .snapshot()
      .remediations.filter(
        (other) =>
          nodeNameOf(other) === nodeName &&
          other.metadata.finalizers?.includes(REMEDIATION_FINALIZER) === true,
      );
    const message = this.#messages.get(nodeName);
    const evidence = request.status.fencing?.evidence;
    this.#tally.set("released", (this.#tally.get("released") ?? 0) + 1);
    if (evidence !== undefined || this.#api.get("Node", nodeName) === null) {
      this.#grants = this.#grants.filter(({ uid }) => uid !== request.metadata.uid);
      return;
    }
    if (others.length > 0) {
      this.#grants = this.#grants.filter(({ uid }) => uid !== request.metadata.uid);
      return;
    }
    assert.ok(
      message === undefined || message.bootID !== this.#runningBoot(nodeName),
      `released while a message stands for the running boot of ${nodeName}`,
    );
  }
}

type Peer = {
  readonly leader: Leader;
  readonly seenMs: Map<string, number>;
  seen: Snapshot;
};
type SlotResults = { readonly slotTaskResults?: readonly { readonly id: string }[] };
type Fenced = { readonly fencing?: { readonly agent?: string } };

function asRequest(stored: Stored): Parameters<typeof isOpen>[0] {
  return { status: {}, ...stored } as unknown as Parameters<typeof isOpen>[0];
}

test("two leaders with old caches do no harm, and leave nothing behind", () => {
  const tally: Tally = new Map();
  fc.assert(
    fc.property(plans, (steps) => {
      const world = new World(tally);
      for (const step of steps) {
        world.step(step);
      }
      world.settle();
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true },
  );
  const least: Readonly<Record<string, number>> = {
    landed: 50,
    proven: 20,
    cleared: 50,
    released: 200,
    "set-taints": 200,
  };
  for (const [what, times] of Object.entries(least)) {
    assert.ok((tally.get(what) ?? 0) >= times, `${what} only ${tally.get(what) ?? 0} times`);
  }
});
