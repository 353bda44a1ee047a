import assert from "node:assert/strict";
import { test } from "node:test";
import { humanDuration } from "./clock.ts";
import { jsonPathValue } from "./printer-columns.ts";
import { fieldSelector, labelSelector } from "./selectors.ts";

test("ages read as kubectl shows them", () => {
  const seconds = [
    0, 119, 120, 200, 599, 600, 10_800, 12_000, 172_800, 180_000, 700_000, 63_072_000,
  ];
  assert.deepEqual(
    seconds.map((second) => humanDuration(second * 1000)),
    ["0s", "119s", "2m", "3m20s", "9m59s", "10m", "3h", "3h20m", "2d", "2d2h", "8d", "2y"],
  );
});

test("a printer column follows fields, escapes, indices and filters", () => {
  const object = {
    metadata: { annotations: { "a.b/c": "dotted" } },
    status: {
      conditions: [
        { type: "X", status: "False" },
        { type: "Ready", status: "True" },
      ],
      list: [7, 8],
    },
  };
  assert.equal(jsonPathValue(object, '.status.conditions[?(@.type=="Ready")].status'), "True");
  assert.equal(jsonPathValue(object, ".status.list[1]"), 8);
  assert.equal(jsonPathValue(object, ".metadata.annotations.a\\.b/c"), "dotted");
  assert.equal(jsonPathValue(object, ".metadata.annotations['a.b/c']"), "dotted");
  assert.equal(jsonPathValue(object, ".status.none.below"), undefined);
});

test("label and field selectors select what they say", () => {
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", labels: { a: "1", b: "2" } },
    spec: { nodeName: "n" },
  };
  const labels: [string, boolean][] = [
    ["", true],
    ["a=1,b!=1", true],
    ["a in (1, 2),c notin (x),!c", true],
    ["c", false],
    ["a==2", false],
    ["a notin (1)", false],
  ];
  for (const [text, expected] of labels) assert.equal(labelSelector(text)(object), expected, text);
  const selectable = ["metadata.name", "spec.nodeName", "status.phase"];
  assert.equal(fieldSelector("spec.nodeName=n,metadata.name!=q", selectable)(object), true);
  assert.equal(fieldSelector("status.phase=", selectable)(object), true);
  assert.equal(fieldSelector("spec.nodeName=", selectable)(object), false);
  assert.throws(() => fieldSelector("spec.other=1", selectable), { code: 400 });
  assert.throws(() => labelSelector("a b"), { code: 400 });
});
