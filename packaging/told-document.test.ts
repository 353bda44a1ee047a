import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";

import {
  CONFIG_CONDITIONS,
  NODE_CONDITIONS,
  REMEDIATION_CONDITIONS,
} from "../src/api/condition-table.ts";
import { AGENT_EVENTS, OPERATOR_EVENTS } from "../src/api/event-table.ts";

/** That no code tells what is not in the tables, the types say. */
test("every reason that is in the tables is told by some code", () => {
  const code = globSync(
    ["src/operator/*.ts", "src/agent/api/*.ts", "src/api/remediation-names.ts"],
    {
      cwd: resolve(import.meta.dirname, ".."),
      exclude: (name) => name.endsWith(".test.ts"),
    },
  )
    .map((path) => readFileSync(resolve(import.meta.dirname, "..", path), "utf8"))
    .join("\n");
  const conditions = [CONFIG_CONDITIONS, REMEDIATION_CONDITIONS, NODE_CONDITIONS].flatMap((table) =>
    Object.entries(table).flatMap(([type, { reasons }]) => [type, ...Object.keys(reasons)]),
  );
  const events = [OPERATOR_EVENTS, AGENT_EVENTS].flatMap((table) => Object.keys(table));
  for (const word of [...conditions, ...events]) {
    assert.ok(code.includes(`"${word}"`) || code.includes(`${word}: [`), word);
  }
});
