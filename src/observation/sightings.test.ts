import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { HeartbeatRecord, HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import { movingNodeIDs, NO_SIGHTINGS, sightFences, sightHeartbeats } from "./sightings.ts";
import type { Sightings } from "./sightings.ts";
import { armedHeartbeat } from "../protocol/testing/heartbeat-record.ts";

const NODE_ID = 2;
const GARBAGE: HeartbeatSlot = { kind: "unreadable", code: "BAD_CHECKSUM", detail: "garbage" };
const SEED = 20_260_101;

function heartbeat(fields: Partial<HeartbeatRecord>): HeartbeatRecord {
  return armedHeartbeat({
    nodeID: NODE_ID,
    bootID: "B",
    machineID: "m2",
    startID: "b1",
    nodeName: "worker-2",
    ...fields,
  });
}

function read(sightings: Sightings, atMs: number, slot: HeartbeatSlot): Sightings {
  return sightHeartbeats(sightings, {
    startedMs: atMs - 1,
    endedMs: atMs + 1,
    slots: new Map(slot.kind === "empty" ? [] : [[NODE_ID, slot]]),
  });
}

function beat(fields: Partial<HeartbeatRecord>): HeartbeatSlot {
  return { kind: "heartbeat", record: heartbeat(fields) };
}

/** What may be in the slot while a boot beats, each change with the time until the next. */
type Landing = {
  /** From the sample of the uptime until the heartbeat lands. */
  readonly writeMs: number;
  /** From then until the next sample. */
  readonly restMs: number;
  /** A late write of an earlier boot goes over the slot this long after the landing. */
  readonly staleAfterMs: number | null;
};
type Look = { readonly afterMs: number; readonly shows: "device" | "garbage" | "blank" };

const landings = fc.array(
  fc.record<Landing>({
    writeMs: fc.integer({ min: 1, max: 30_000 }),
    restMs: fc.integer({ min: 1, max: 3_000 }),
    staleAfterMs: fc.option(fc.integer({ min: 1, max: 20_000 }), { freq: 3 }),
  }),
  { minLength: 2, maxLength: 8 },
);
const looks = fc.array(
  fc.record<Look>({
    afterMs: fc.integer({ min: 3, max: 8_000 }),
    shows: fc.constantFrom("device", "device", "device", "garbage", "blank"),
  }),
  { minLength: 4, maxLength: 60 },
);

/** When the slot shows what: in the order of landing, the last one wins. */
function history(
  uptimeAtStartMs: number,
  plan: readonly Landing[],
): readonly [number, HeartbeatSlot][] {
  const changes: [number, HeartbeatSlot][] = [];
  let atMs = 0;
  for (const [index, { writeMs, restMs, staleAfterMs }] of plan.entries()) {
    const slot = beat({ sequence: index + 1, uptimeMs: uptimeAtStartMs + atMs });
    const landsMs = atMs + writeMs;
    changes.push([landsMs, slot]);
    if (staleAfterMs !== null) {
      const stale = { bootID: "A", startID: `a${index}`, sequence: 90, uptimeMs: 9_000_000 };
      changes.push([landsMs + staleAfterMs, beat(stale)]);
    }
    atMs = landsMs + restMs;
  }
  return changes.sort(([a], [b]) => a - b);
}

test("a boot's beginning always lies within its bounds, however slow its writes and spotty the reads", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1_000_000 }),
      landings,
      looks,
      (uptimeAtStartMs, plan, reads) => {
        const changes = history(uptimeAtStartMs, plan);
        let sightings = NO_SIGHTINGS;
        let atMs = 0;
        for (const { afterMs, shows } of reads) {
          atMs += afterMs;
          const now = atMs;
          const held = changes.findLast(([landsMs]) => landsMs <= now)?.[1] ?? { kind: "empty" };
          sightings = read(
            sightings,
            atMs,
            shows === "device" ? held : shows === "garbage" ? GARBAGE : { kind: "empty" },
          );
          const boot = sightings.heartbeats
            .get(NODE_ID)
            ?.boots.find(({ record }) => record.bootID === "B");
          if (boot !== undefined) {
            const bornMs = -uptimeAtStartMs;
            assert.ok(boot.bootMinMs <= bornMs, `born ${bornMs}, not after ${boot.bootMinMs}`);
            assert.ok(bornMs <= boot.bootMaxMs, `born ${bornMs}, not before ${boot.bootMaxMs}`);
          }
        }
      },
    ),
    { seed: SEED, numRuns: 3_000 },
  );
});

test("steady beats pin a boot's beginning to within two passes", () => {
  let sightings = NO_SIGHTINGS;
  for (let second = 1; second <= 5; second++) {
    sightings = read(
      sightings,
      second * 1_000 + 100,
      beat({ sequence: second, uptimeMs: 50_000 + second * 1_000 }),
    );
  }
  const boot = sightings.heartbeats.get(NODE_ID)?.boots[0];
  assert.ok(boot !== undefined && boot.bootMaxMs - boot.bootMinMs < 2_200);
  assert.ok(boot.bootMinMs <= -50_000 && -50_000 <= boot.bootMaxMs);
});

test("a single stale record is no movement, nor is the first beat of a new start", () => {
  let sightings = read(NO_SIGHTINGS, 1_000, beat({ sequence: 5 }));
  sightings = read(sightings, 2_000, beat({ bootID: "A", startID: "a1", sequence: 90 }));
  sightings = read(sightings, 3_000, beat({ startID: "b2", sequence: 9 }));
  assert.deepEqual(movingNodeIDs(sightings, 3_000, 30_000), []);
  sightings = read(sightings, 4_000, beat({ startID: "b2", sequence: 10 }));
  assert.deepEqual(movingNodeIDs(sightings, 4_000, 30_000), [NODE_ID]);
  assert.deepEqual(movingNodeIDs(sightings, 40_000, 30_000), []);
});

test("a sequence that falls is no movement", () => {
  let sightings = read(NO_SIGHTINGS, 1_000, beat({ sequence: 5 }));
  sightings = read(sightings, 2_000, beat({ sequence: 4 }));
  assert.deepEqual(movingNodeIDs(sightings, 2_000, 30_000), []);
});

test("an acknowledgement is dated by reads that showed something else in its slot", () => {
  const fenced = beat({ sequence: 2, fenced: true, acknowledgedEpoch: 7 });
  let sightings = read(NO_SIGHTINGS, 1_000, beat({ sequence: 1 }));
  sightings = read(sightings, 2_000, fenced);
  assert.deepEqual(sightings.heartbeats.get(NODE_ID)?.boots[0]?.acknowledgement, {
    epoch: 7,
    armed: true,
    watchdogMs: 15_000,
    seenMs: 2_001,
    notBeforeMs: 999,
  });
  for (const hidden of [GARBAGE, { kind: "empty" } as const]) {
    const found = read(read(NO_SIGHTINGS, 1_000, hidden), 2_000, fenced);
    const boot = found.heartbeats.get(NODE_ID)?.boots[0];
    assert.equal(boot?.acknowledgement?.notBeforeMs, null);
  }
});

test("the first acknowledgement of a boot is kept over later records", () => {
  let sightings = read(NO_SIGHTINGS, 1_000, beat({ fenced: true, acknowledgedEpoch: 7 }));
  sightings = read(sightings, 2_000, beat({ sequence: 2, fenced: true, acknowledgedEpoch: 8 }));
  assert.equal(sightings.heartbeats.get(NODE_ID)?.boots[0]?.acknowledgement?.epoch, 7);
});

test("what an agent start has listed as moving is kept, and its successor starts anew", () => {
  let sightings = read(NO_SIGHTINGS, 1_000, beat({ sequence: 1, moving: [1] }));
  sightings = read(sightings, 2_000, beat({ sequence: 2, moving: [3] }));
  assert.deepEqual(sightings.heartbeats.get(NODE_ID)?.boots[0]?.witnessed, [1, 3]);
  sightings = read(sightings, 3_000, beat({ startID: "b2", moving: [] }));
  assert.deepEqual(sightings.heartbeats.get(NODE_ID)?.boots[0]?.witnessed, []);
});

test("a fence message is dated by the first of the unbroken reads that show it", () => {
  const record = {
    senderID: 1,
    timestampNs: 0n,
    sequence: 1,
    targetNodeID: NODE_ID,
    reason: 1,
    epoch: 1,
    nonce: "n1",
    requestUID: "R1",
    targetBootID: "A",
    targetMachineID: "m2",
    fencerName: "F",
    msgwaitMs: 63_000,
  };
  const shown = new Map([[NODE_ID, { kind: "fence", record } as const]]);
  let sightings = sightFences(NO_SIGHTINGS, { startedMs: 0, endedMs: 1, slots: shown });
  sightings = sightFences(sightings, { startedMs: 2, endedMs: 3, slots: shown });
  assert.equal(sightings.fences.get(NODE_ID)?.shownMs, 1);
  sightings = sightFences(sightings, { startedMs: 4, endedMs: 5, slots: new Map() });
  sightings = sightFences(sightings, { startedMs: 6, endedMs: 7, slots: shown });
  assert.equal(sightings.fences.get(NODE_ID)?.shownMs, 7);
});

test("a boot counts as shown from the end of the read that first showed it: it may have come in its middle", () => {
  const shown = { startedMs: 1_000, endedMs: 9_000, slots: new Map([[NODE_ID, beat({})]]) };
  const boot = sightHeartbeats(NO_SIGHTINGS, shown).heartbeats.get(NODE_ID)?.boots[0];
  assert.deepEqual([boot?.firstShownMs, boot?.shownMs], [9_000, 9_000]);
  const again = {
    startedMs: 10_000,
    endedMs: 19_000,
    slots: new Map([[NODE_ID, beat({ sequence: 2 })]]),
  };
  const moved = sightHeartbeats(sightHeartbeats(NO_SIGHTINGS, shown), again);
  assert.deepEqual(moved.heartbeats.get(NODE_ID)?.boots[0]?.moved, { fromMs: 9_000, toMs: 19_000 });
});
