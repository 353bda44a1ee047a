import assert from "node:assert/strict";
import { test } from "node:test";

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
