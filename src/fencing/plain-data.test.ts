import assert from "node:assert/strict";
import { test } from "node:test";

import { canonicalText, fromPlain, toPlain } from "./plain-data.ts";

test("what a core holds comes back from JSON as it was", () => {
  const state = {
    map: new Map([[3, { set: new Set(["a"]), big: 2n ** 60n }]]),
    never: -Infinity,
    bytes: new Uint8Array([1, 2]),
    empty: new Map(),
    list: [null, true, 1.5, "x"],
  };
  assert.deepEqual(fromPlain(JSON.parse(JSON.stringify(toPlain(state)))), state);
});

test("equal data has equal text, in whichever order its fields came", () => {
  assert.equal(canonicalText({ b: 1, a: [{ d: 1, c: 2 }] }), '{"a":[{"c":2,"d":1}],"b":1}');
});

test("what would come back as something else is refused", () => {
  assert.throws(() => toPlain({ $map: 1 }), TypeError);
  assert.throws(() => toPlain({ f: () => 1 }), TypeError);
  assert.throws(() => fromPlain({ $set: 1 }), /a list was expected/);
});
