import assert from "node:assert/strict";
import { test } from "node:test";

import { wrapWords } from "./screen.ts";
import { textFields, textTable } from "./text-table.ts";

test("columns are as wide as their widest cell, and no line ends in spaces", () => {
  const rows = [
    { name: "node-a", state: "armed" },
    { name: "b", state: "" },
  ];
  const table = textTable(rows, [
    ["NODE", ({ name }) => name],
    ["STATE", ({ state }) => state],
  ]);
  assert.equal(table, "NODE    STATE\nnode-a  armed\nb");
});

test("values stand under each other", () => {
  assert.equal(
    textFields([
      ["T", "3 s"],
      ["slack", "2 s"],
    ]),
    "T      3 s\nslack  2 s",
  );
});

test("a table wider than the screen breaks its widest cells and keeps every word", () => {
  const why = "the target has not listed as moving any node that this fencer has seen move";
  const table = textTable(
    [{ id: "12", why: `${why} ${why}` }],
    [
      ["ID", ({ id }) => id],
      ["WHY", ({ why }) => why],
      ["THEN", () => "x".repeat(30)],
    ],
  );
  const lines = table.split("\n");
  assert.ok(lines.every((line) => line.length <= 80));
  const words = lines
    .slice(1)
    .join(" ")
    .split(/\s+/)
    .filter((word) => !/^(12|x+)$/.test(word));
  assert.equal(words.join(" "), `${why} ${why}`);
});

test("a terminal that tells no width is no reason to go round for ever", () => {
  assert.deepEqual(wrapWords("two words", 0), ["t", "w", "o", "w", "o", "r", "d", "s"]);
});
