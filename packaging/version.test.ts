import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import packageFile from "../package.json" with { type: "json" };

/** Files that tools read and that so must name the version themselves: `package.json` is its place. */
const NAMED_IN: readonly (readonly [string, RegExp])[] = [
  ["deploy/base/kustomization.yaml", /^ {4}newTag: (.*)$/m],
  ["charts/sbd-operator/Chart.yaml", /^version: (.*)$/m],
  ["charts/sbd-operator/Chart.yaml", /^appVersion: (.*)$/m],
  ["deploy/krew/sbd.yaml", /^ {2}version: v(.*)$/m],
  ["CHANGELOG.md", /^## ([0-9.]+)/m],
];

for (const [path, pattern] of NAMED_IN) {
  test(`${path}: ${pattern} is the version of package.json`, () => {
    const text = readFileSync(join(import.meta.dirname, "..", path), "utf8");
    assert.equal(pattern.exec(text)?.[1], packageFile.version);
  });
}
