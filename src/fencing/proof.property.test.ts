import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Evidence } from "./evidence.ts";
import { createFencerPlayer, type FencerPlayer, type Stage } from "./scenarios/fencer-player.ts";
import { createMortalNode } from "./scenarios/mortal-node.ts";
import { createScenarioCluster } from "./scenarios/scenario-cluster.ts";
import { createScenarioDevice, GARBAGE, storeFence } from "./scenarios/scenario-device.ts";
import { createTimeline } from "./scenarios/timeline.ts";
import { armedHeartbeat } from "../protocol/testing/heartbeat-record.ts";

/*
 * The law of the fencer, held against the truth: nothing is proven while a boot runs that had begun
 * before the request. One target lives and dies as its contract lets it; two fencers are named in
 * turn; chance decides on every fault that lies inside the claim.
 */
const CONTRACT = { timeoutMs: 6_000, watchdogMs: 3_000 };
const SEED = 20_260_102;
const RUNS = 250;
const RUN_MS = 120_000;

const BLOWS = [
  "storage-lost",
  "storage-lost",
  "storage-lost",
  "power-cycle",
  "restart-agent",
  "terminate-agent",
  "request",
  "request",
  "request",
  "name-other",
  "stale-clear",
  "fence-garbage",
  "stall",
  "fencer-reads",
  "fencer-writes",
  "fencer-api",
  "late-write-lands",
] as const;
type Blow = (typeof BLOWS)[number];
type Step = { readonly afterMs: number; readonly blow: Blow; readonly dice: number };

const plans = fc.record({
  seed: fc.integer({ min: 1, max: 0x7fff_ffff }),
  steps: fc.array(
    fc.record<Step>({
      afterMs: fc.integer({ min: 1, max: 12_000 }),
      blow: fc.constantFrom(...BLOWS),
      dice: fc.nat(999),
    }),
    { minLength: 5, maxLength: 30 },
  ),
});

type Tally = { proven: Map<string, number>; written: number };

function play(
  { seed, steps }: { readonly seed: number; readonly steps: readonly Step[] },
  tally: Tally,
): void {
  const timeline = createTimeline();
  const device = createScenarioDevice();
  const cluster = createScenarioCluster();
  const acceptedMs = new Map<string, number>();
  const nonces = new Set<string>();
  const proofs = new Map<string, Evidence>();
  const namedUntilMs = new Map<string, number>();
  let random = seed;
  const chance = {
    next(): number {
      random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return random / 0x8000_0000;
    },
  };
  const truth = createMortalNode({ timeline, device, cluster }, CONTRACT, chance);
  const stage: Stage = {
    timeline,
    device,
    cluster,
    trace: () => undefined,
    happened(happening) {
      const { atMs, by } = happening;
      if (happening.kind !== "proven") {
        const until = cluster.named === by ? atMs : (namedUntilMs.get(by) ?? -Infinity);
        const { timeoutMs } = CONTRACT;
        assert.ok(atMs - until <= timeoutMs, `${by} acts ${atMs - until} ms after its name went`);
      }
      if (happening.kind === "written") {
        tally.written += 1;
        assert.ok(!nonces.has(happening.record.nonce), `${by} writes the same bytes twice`);
        nonces.add(happening.record.nonce);
      }
      if (happening.kind === "proven") {
        const [rule = ""] = happening.evidence.split(" ");
        tally.proven.set(rule, (tally.proven.get(rule) ?? 0) + 1);
        for (const { bootID, bornMs } of truth.running()) {
          const sinceMs = acceptedMs.get(happening.uid) ?? Infinity;
          assert.ok(
            bornMs > sinceMs,
            `${by} has ${happening.evidence} for ${happening.uid} of ${sinceMs} at ${atMs}, and ` +
              `${bootID}, born at ${bornMs}, runs`,
          );
        }
      }
    },
  };
  const fencers = ["F", "G"].map((name, index) => fencer(stage, name, index));
  let requests = 0;
  witness(stage);

  function named(): FencerPlayer {
    const player = fencers.find(({ config }) => config.name === cluster.named) ?? fencers[0];
    assert.ok(player !== undefined);
    return player;
  }
  function accept(player: FencerPlayer, uid: string): void {
    const { clock } = player;
    player.tell({
      type: "request",
      uid,
      reason: 1,
      finalizerMs: clock.offsetMs + timeline.nowMs() * clock.rate,
    });
  }

  function strike({ blow, dice }: Step): void {
    const player = fencers[dice % 2] ?? named();
    switch (blow) {
      case "storage-lost":
        return truth.loseStorage(1_000 + dice * 60);
      case "power-cycle":
        return truth.powerCycle();
      case "restart-agent":
        return truth.restartAgent();
      case "terminate-agent":
        return dice < 300 ? truth.terminateAgent() : undefined;
      case "request": {
        requests += 1;
        const uid = `R${requests}`;
        acceptedMs.set(uid, timeline.nowMs());
        cluster.requests.add(uid);
        return accept(named(), uid);
      }
      case "name-other": {
        namedUntilMs.set(cluster.named ?? "F", timeline.nowMs());
        cluster.named = cluster.named === "G" ? "F" : "G";
        for (const uid of cluster.requests) {
          accept(named(), uid);
        }
        return;
      }
      case "stale-clear": {
        const held = device.fences.get(2);
        return held?.kind === "fence"
          ? storeFence(device, { ...held.record, reason: 0, epoch: held.record.epoch - 1 })
          : undefined;
      }
      case "fence-garbage":
        device.fences.set(2, GARBAGE);
        return;
      case "stall":
        return player.stall(dice * 40);
      case "fencer-reads":
        player.reads = (["ok", "ok", "fail", "heartbeats", "fences"] as const)[dice % 5] ?? "ok";
        return;
      case "fencer-writes":
        player.writes =
          (["ok", "ok", "fail", "late", "lost", "mismatch"] as const)[dice % 6] ?? "ok";
        return;
      case "fencer-api":
        player.apiMs = [10, 10, null, 2_000, 5_000][dice % 5] ?? null;
        return;
      case "late-write-lands": {
        const record = player.inFlight.shift();
        return record === undefined ? undefined : storeFence(device, record);
      }
    }
  }

  /** A proof that was found stays what it was. */
  function checkProofs(): void {
    for (const { state, config } of fencers) {
      for (const { uid, proof } of state.requests) {
        const before = proofs.get(`${config.name} ${uid}`);
        assert.ok(before === undefined || before === proof, `${uid} was proven otherwise before`);
        if (proof !== null) {
          proofs.set(`${config.name} ${uid}`, proof);
        }
      }
    }
  }

  cluster.named = "F";
  let atMs = 3_000;
  for (const step of steps) {
    atMs += step.afterMs;
    timeline.runUntil(Math.min(atMs, RUN_MS));
    checkProofs();
    strike(step);
  }
  timeline.runUntil(Math.max(atMs, RUN_MS));
  checkProofs();
}

function fencer(stage: Stage, name: string, index: number): FencerPlayer {
  return createFencerPlayer(stage, {
    config: {
      name,
      nodeID: 1,
      target: { nodeName: "worker-2", nodeID: 2 },
      contract: CONTRACT,
      cluster: { pausableNodes: "Accept" },
    },
    clock: { offsetMs: 1_000_000 * (index + 1), rate: index === 0 ? 1.0005 : 0.9995 },
    from: null,
    phaseMs: 150 + 300 * index,
  });
}

/** Slot 1 moves, so that the target has a witness. */
function witness({ timeline, device }: Stage): void {
  let sequence = 0;
  function beat(): void {
    sequence += 1;
    device.heartbeats.set(1, {
      kind: "heartbeat",
      record: armedHeartbeat({
        sequence,
        bootID: "X",
        startID: "x1",
        uptimeMs: timeline.nowMs(),
        ...CONTRACT,
        moving: [2],
      }),
    });
    timeline.at(timeline.nowMs() + 1_000, beat);
  }
  beat();
}

test("nothing is proven while a boot runs that is older than the request, and nobody acts unnamed", () => {
  const tally: Tally = { proven: new Map(), written: 0 };
  fc.assert(
    fc.property(plans, (plan) => play(plan, tally)),
    { seed: SEED, numRuns: RUNS },
  );
  for (const rule of ["Rebooted(a)", "Rebooted(b)", "Acknowledged", "Bounded"]) {
    assert.ok(
      (tally.proven.get(rule) ?? 0) > 5,
      `${rule} has to occur: ${[...tally.proven].join(" ")}`,
    );
  }
});
