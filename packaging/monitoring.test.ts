import assert from "node:assert/strict";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { parse, stringify } from "yaml";

import { allMetrics } from "./metrics-document.ts";
import { temporaryDirectory } from "../src/platform/testing/temporary-directory.ts";

const REPOSITORY = resolve(import.meta.dirname, "..");
const COMPONENT = join(REPOSITORY, "deploy/components/monitoring");
const TAKEN = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "sbd-operator/promtool/promtool",
);
const promtool = existsSync(TAKEN) ? TAKEN : "promtool";
const noPromtool =
  spawnSync(promtool, ["--version"]).status === 0
    ? false
    : "there is no promtool here: packaging/install-promtool.sh takes it out of a Debian package";

type Rule = {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook_url: string };
};
const { spec } = parse(readFileSync(join(COMPONENT, "prometheusrule.yaml"), "utf8")) as {
  spec: { groups: { rules: Rule[] }[] };
};
const rules = spec.groups.flatMap((group) => group.rules);

test("each rule does what its scenario says", { skip: noPromtool }, () => {
  const folder = temporaryDirectory();
  writeFileSync(join(folder, "rules.yaml"), stringify(spec));
  copyFileSync(join(import.meta.dirname, "monitoring/alerts.yaml"), join(folder, "alerts.yaml"));
  const { status, stdout, stderr } = spawnSync(promtool, ["test", "rules", "alerts.yaml"], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
});

test("each alert has a scenario", () => {
  const played = readFileSync(join(import.meta.dirname, "monitoring/alerts.yaml"), "utf8");
  for (const { alert } of rules) assert.ok(played.includes(`alertname="${alert}"`), alert);
});

test("each alert leads to a page, and each page has its alert", () => {
  const pages = rules.map(({ annotations }) => annotations.runbook_url.split("/").at(-1));
  assert.deepEqual(
    pages.toSorted((a = "", b = "") => (a < b ? -1 : 1)),
    readdirSync(join(REPOSITORY, "docs/runbooks")).filter((name) => name !== "README.md"),
  );
  assert.deepEqual(
    pages,
    rules.map(({ alert }) => `${alert}.md`),
  );
});

test("rules and dashboard ask for metrics and labels that exist", () => {
  const { panels } = JSON.parse(readFileSync(join(COMPONENT, "dashboard.json"), "utf8")) as {
    panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
  };
  const targets = panels.flatMap((panel) => panel.targets);
  const known = new Map(allMetrics().map((metric) => [metric.name, metric.labels]));
  for (const expr of [...rules, ...targets].map((asked) => asked.expr)) {
    for (const [name] of expr.matchAll(/\bsbd_\w+/g))
      assert.ok(known.has(name), `${name}: ${expr}`);
  }
  for (const { expr, legendFormat } of targets) {
    const [name = ""] = expr.match(/\bsbd_\w+/) ?? [];
    const labels = new Set(["node", "pod", "version", ...(known.get(name) ?? [])]);
    for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      assert.ok(labels.has(label), `${label} of ${expr}`);
    }
  }
});
