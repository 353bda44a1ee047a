import assert from "node:assert/strict";
import { test } from "node:test";
import { resultTable } from "./scenario.ts";

test("the table says what each scenario came to, what it measured and where the rest lies", () => {
  const table = resultTable([
    {
      number: 2,
      name: "a watchdog resets",
      verdict: "passed",
      tookMs: 31_840,
      measured: [
        { what: "from last pet to last write", ms: 4015 },
        { what: "until declared", ms: 9, bound: { fromMs: 1, toMs: 10, why: "W" } },
      ],
      findings: ["it was cold"],
      reason: undefined,
      kept: undefined,
    },
    {
      number: 10,
      name: "a cut network",
      verdict: "failed",
      tookMs: 90,
      measured: [],
      findings: [],
      reason: "one\ntwo",
      kept: "/x/10",
    },
  ]);
  assert.deepEqual(table.split("\n"), [
    "  2  passed     31.8 s  a watchdog resets",
    "                          4015 ms  from last pet to last write",
    "                             9 ms  until declared (1 to 10 ms: W)",
    "     found: it was cold",
    " 10  failed      0.1 s  a cut network",
    "     one",
    "     two",
    "     consoles and images: /x/10",
  ]);
});
