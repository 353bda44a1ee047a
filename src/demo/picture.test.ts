import assert from "node:assert/strict";
import { test } from "node:test";

import { drawPicture, timelineText, type NodePicture } from "./picture.ts";

const NODE: NodePicture = {
  name: "worker-1",
  machine: "up",
  bootID: "9b5188ad-0000-4000-8000-000000000000",
  slot: 1,
  agent: "armed",
  heardMsAgo: 100,
  watchdog: "ticking",
  pets: 123_456,
  taints: ["NoSchedule", "NoExecute", "node.kubernetes.io/out-of-service"],
  line: { n: 12_345, msAgo: 50 },
};

function drawn(node: Partial<NodePicture>): string {
  const lines = drawPicture({ nodes: [{ ...NODE, ...node }], awaited: "it", undated: [] });
  return lines.map(({ text }) => text).join("\n");
}

test("it fits 80 columns and 24 rows, whatever happens", () => {
  const lines = drawPicture({
    nodes: [1, 2, 3, 4].map(() => NODE),
    awaited: "something long ".repeat(20),
    undated: Array.from({ length: 40 }, () => "x".repeat(200)),
  });
  assert.ok(lines.length < 24, String(lines.length));
  for (const { text } of lines) assert.ok(text.length <= 80, text);
});

test("a dead node is dead, and a hung one hung: neither is armed or writes", () => {
  assert.match(drawn({}), /up 9b5188ad +1 +armed +ticking .* writes 12345/);
  const dead = drawn({ machine: "dead" });
  assert.match(dead, /worker-1 +DEAD/);
  const hung = drawn({ machine: "hung", line: { n: 7, msAgo: 4_000 } });
  assert.match(hung, /worker-1 +HUNG +1 +silent +ticking .* last 7/);
  for (const text of [dead, hung]) assert.doesNotMatch(text, /armed|writes/);
});

test("an agent that the API has not heard of for long is silent", () => {
  assert.match(drawn({ heardMsAgo: 20_000 }), /silent/);
});

test("a long line of the timeline goes on under its beginning", () => {
  const text = timelineText(
    "   0.522 s",
    "a fence message stands in the slot of worker-1: ".repeat(3),
  );
  for (const part of text.split("\n")) assert.ok(part.length <= 80, part);
  assert.match(text, /^ {3}0\.522 s {2}a fence[^\n]*\n {12}\S/);
});
