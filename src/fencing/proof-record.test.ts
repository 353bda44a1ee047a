import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { judgeGrounds, readGrounds, recordGrounds, type ProofGrounds } from "./proof-record.ts";
import { replayScenario } from "./scenarios/replay.ts";

const FOLDER = new URL("./scenarios/", import.meta.url);
const CLOCK = { rawMs: 0, wallMs: 0 };

function asRead(grounds: ProofGrounds): ProofGrounds {
  return readGrounds(JSON.parse(JSON.stringify(recordGrounds(grounds, "worker-3", CLOCK))));
}

test("what is recorded with a proof leads whoever reads it to the same proof, in every scenario", (context) => {
  const kinds = new Set<string>();
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".scenario"))) {
    const { proofs } = replayScenario(readFileSync(new URL(name, FOLDER), "utf8"));
    for (const { evidence, grounds } of proofs) {
      kinds.add(evidence.kind);
      assert.deepEqual(judgeGrounds(asRead(grounds)), { kind: "proven", evidence }, name);
    }
  }
  context.diagnostic([...kinds].join(", "));
  assert.equal(kinds.size, 4, "every kind of evidence is recorded in some scenario");
});

test("of 255 slots no more is recorded than the judge needs", () => {
  const text = readFileSync(new URL("bounded-proven.scenario", FOLDER), "utf8");
  const [proof] = replayScenario(text).proofs;
  assert.ok(proof?.grounds.kind === "message");
  const { fence } = proof.grounds;
  const other = [...fence.sightings.heartbeats.values()].find(
    ({ nodeID }) => nodeID !== fence.target.nodeID,
  );
  assert.ok(other !== undefined);
  const heartbeats = new Map(fence.sightings.heartbeats);
  for (let nodeID = 10; nodeID < 255; nodeID += 1) {
    const boots = other.boots.flatMap((boot) => Array.from({ length: 8 }, () => boot));
    heartbeats.set(nodeID, { ...other, nodeID, boots });
  }
  const many = { ...fence, sightings: { ...fence.sightings, heartbeats } };
  const record = recordGrounds({ kind: "message", fence: many }, "worker-3", CLOCK);
  assert.ok(JSON.stringify(record).length < 600_000);
  assert.deepEqual(judgeGrounds(readGrounds(record)), { kind: "proven", evidence: proof.evidence });
});

test("a record of another version is refused, and says so", () => {
  assert.throws(() => readGrounds({ version: 1, grounds: {} }), /version 1/);
  assert.throws(() => readGrounds(null), /version undefined/);
});
