import assert from "node:assert/strict";
import { test } from "node:test";

import type { FencerReport } from "../fencer-report.ts";
import { VERSION } from "../../program/version.ts";
import { evidencePatch, isMaterial, reportPatch } from "./fencing-patch.ts";
import { BOOT_ID, OTHER_BOOT_ID } from "../../agent/api/testing/agent-status-for-tests.ts";

const WALL_MS = Date.parse("2026-01-01T00:00:10Z");
const REPORT: FencerReport = {
  uid: "uid-1",
  state: "Durable",
  epoch: 3,
  bootID: BOOT_ID,
  machineID: "a".repeat(32),
  durableForMs: 4_000,
  msgwaitMs: 16_000,
  evidence: null,
  missing: [{ code: "MSGWAIT", detail: "not yet" }],
  unfencable: null,
  detail: "",
};

test("a report becomes status.fencing, and leaves the fencer's name alone", () => {
  assert.deepEqual(reportPatch(REPORT, { agent: "worker-2" }, WALL_MS), {
    state: "Durable",
    epoch: 3,
    bootID: BOOT_ID,
    machineID: "a".repeat(32),
    messageDurableTime: "2026-01-01T00:00:06.000Z",
    boundSeconds: 16,
    missing: ["MSGWAIT: not yet"],
    unfencable: null,
    reason: null,
    lastPassTime: "2026-01-01T00:00:10.000Z",
  });
});

test("an epoch is never taken back, and one that nobody knows is left out", () => {
  assert.equal(reportPatch(REPORT, { epoch: 9 }, WALL_MS)["epoch"], 9);
  assert.ok(!("epoch" in reportPatch({ ...REPORT, epoch: 0 }, {}, WALL_MS)));
});

test("the same report again is no change but for the time of the last look", () => {
  const first = reportPatch(REPORT, {}, WALL_MS);
  const stored = Object.fromEntries(Object.entries(first).filter(([, value]) => value !== null));
  const later = reportPatch({ ...REPORT, durableForMs: 5_100 }, stored, WALL_MS + 1_000);
  assert.equal(later["messageDurableTime"], first["messageDurableTime"]);
  assert.equal(isMaterial(later, stored), false);
  const written = reportPatch({ ...REPORT, state: "Writing" }, stored, WALL_MS);
  assert.equal(isMaterial(written, stored), true);
  const missed = reportPatch({ ...REPORT, missing: [] }, stored, WALL_MS);
  assert.equal(isMaterial(missed, stored), true);
});

test("a message that was durable at quite another time is dated anew", () => {
  const stored = { messageDurableTime: "2025-12-31T00:00:00Z" };
  const patch = reportPatch(REPORT, stored, WALL_MS);
  assert.equal(patch["messageDurableTime"], "2026-01-01T00:00:06.000Z");
});

test("texts are cut to what the schema takes", () => {
  const missing = Array.from({ length: 40 }, () => ({
    code: "TAINT" as const,
    detail: "x".repeat(2_000),
  }));
  const patch = reportPatch({ ...REPORT, missing, detail: "y".repeat(9_000) }, {}, WALL_MS);
  const texts = patch["missing"] as readonly string[];
  assert.deepEqual([texts.length, texts[0]?.length], [32, 1_024]);
  assert.equal((patch["reason"] as string).length, 4_096);
});

test("a proof names the boot that is dead, and the one that runs now where there is one", () => {
  const evidence = {
    kind: "Rebooted",
    rule: "a",
    bootID: BOOT_ID,
    laterBootID: OTHER_BOOT_ID,
    detail: "it did",
  } as const;
  const time = "2026-01-01T00:00:10.000Z";
  assert.deepEqual(evidencePatch(evidence, "packed", WALL_MS), {
    state: "Proven",
    evidence: {
      kind: "Rebooted",
      time,
      bootID: BOOT_ID,
      detail: "it did",
      fencerVersion: VERSION,
      observations: "packed",
      laterBootID: OTHER_BOOT_ID,
    },
    missing: [],
    unfencable: null,
    reason: null,
  });
});
