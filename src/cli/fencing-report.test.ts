import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import type { PastFencing } from "../api/sbd-node.ts";
import { recordGrounds, type ProofRecord } from "../fencing/proof-record.ts";
import { replayScenario } from "../fencing/scenarios/replay.ts";
import { packRecord } from "../fencing/shell/packed-record.ts";
import {
  digestOf,
  makeReport,
  reportText,
  verifyReport,
  type FencingReport,
} from "./fencing-report.ts";
import { reportMarkdown, reportScreen, reportSvg } from "./report-render.ts";

const WALL_MS = Date.parse("2026-01-01T00:10:00Z");

/** A report of the proof that a fencing scenario ends with. */
function reportOf(scenario: string): FencingReport {
  const url = new URL(`../fencing/scenarios/${scenario}.scenario`, import.meta.url);
  const [proof] = replayScenario(readFileSync(url, "utf8")).proofs;
  assert.ok(proof !== undefined);
  const { grounds, evidence, uid, fencer } = proof;
  const fence = grounds.kind === "message" ? grounds.fence : null;
  const nowMs = fence?.nowMs ?? 0;
  const record = recordGrounds(grounds, fencer, { rawMs: nowMs, wallMs: WALL_MS });
  const dated = (ms: number): string => new Date(WALL_MS + ms - nowMs).toISOString();
  const past: PastFencing = {
    requestUID: uid,
    requestNamespace: "default",
    requestName: "worker-2-abc",
    requestedTime: dated((fence?.message.durableMs ?? 0) - 500),
    outcome: "Released",
    finishedTime: dated(nowMs + 700),
    fencer,
    epoch: 1,
    bootID: evidence.bootID,
    messageDurableTime: dated(fence?.message.durableMs ?? 0),
    evidence: {
      kind: evidence.kind,
      time: dated(nowMs),
      bootID: evidence.bootID,
      detail: evidence.detail,
      observations: packRecord(record) ?? "",
      ...(evidence.kind === "Rebooted" ? { laterBootID: evidence.laterBootID } : {}),
    },
  };
  const { nodeName = "worker-2", nodeID = 2 } = fence?.target ?? {};
  return makeReport({ node: nodeName, nodeID, config: "default" }, past);
}

/** The same report with something else in it, and a digest that fits. */
function forged(report: FencingReport, change: Partial<FencingReport>): string {
  const { digest: _, ...rest } = { ...report, ...change };
  return reportText({ ...rest, digest: digestOf(rest) });
}

for (const scenario of [
  "bounded-proven",
  "rebooted-a-proven",
  "rebooted-b-proven",
  "acknowledged-proven",
  "confirmed-proven",
]) {
  test(`the report of ${scenario} is verified by the judge`, () => {
    const verification = verifyReport(reportText(reportOf(scenario)));
    assert.ok(verification.ok, verification.ok ? "" : verification.why);
  });
}

test("a changed byte fails, whichever", () => {
  const text = reportText(reportOf("bounded-proven"));
  const step = Math.max(1, Math.floor(text.length / 400));
  for (let at = 0; at < text.length; at += step) {
    const other = text[at] === "7" ? "8" : "7";
    const changed = text.slice(0, at) + other + text.slice(at + 1);
    assert.ok(!verifyReport(changed).ok, `byte ${at} of ${text.length}: ${text[at]} to ${other}`);
  }
  assert.ok(!verifyReport(`${text} `).ok);
  assert.ok(!verifyReport(text.slice(0, -1)).ok);
});

test("observations that do not prove the claim fail, with a digest that fits", () => {
  const report = reportOf("bounded-proven");
  const { observations } = report;
  assert.ok(observations !== null);
  // The target beats once more, later than a condemned node can live.
  const text = JSON.stringify(observations);
  const late = JSON.parse(text, (key, value: unknown) =>
    key === "shownMs" && typeof value === "number" ? value + 10_000_000 : value,
  ) as ProofRecord;
  const verification = verifyReport(forged(report, { observations: late }));
  assert.ok(!verification.ok);
  assert.match(verification.why, /LATE_MOVEMENT/);
});

test("a claim that the observations do not make fails, with a digest that fits", () => {
  const report = reportOf("bounded-proven");
  const { fencing } = report;
  assert.ok(fencing.evidence !== null);
  for (const change of [
    { node: "worker-9" },
    { nodeID: 9 },
    { fencing: { ...fencing, requestUID: "another" } },
    { fencing: { ...fencing, evidence: { ...fencing.evidence, kind: "Acknowledged" as const } } },
    { fencing: { ...fencing, messageDurableTime: "2026-01-01T00:00:00.000Z" } },
    { observations: null },
  ]) {
    assert.ok(!verifyReport(forged(report, change)).ok, JSON.stringify(change).slice(0, 60));
  }
});

test("every screen of a report fits 80 columns, and says who may have written when", () => {
  const report = reportOf("bounded-proven");
  const screen = reportScreen(report);
  for (const line of screen.split("\n")) assert.ok(line.length <= 80, line);
  assert.match(screen, /Two writers: impossible before/);
  assert.match(screen, /M = T \+ 2W \+ slack/);
  assert.match(reportMarkdown(report), /```\n +seconds/);
});

test("names in a report cannot break its drawing", () => {
  const svg = reportSvg({ ...reportOf("bounded-proven"), node: `<script>"&` });
  assert.ok(!svg.includes("<script>"));
  assert.match(svg, /&lt;script&gt;&quot;&amp;/);
});
