import assert from "node:assert/strict";
import { test } from "node:test";

import { createTurns } from "./turns.ts";

const forever = new AbortController().signal;

test("so many at once; the urgent go in front, and whoever gives up leaves the queue", async () => {
  const turns = createTurns(2);
  const order: string[] = [];
  const wait = async (name: string, isUrgent: boolean, signal = forever): Promise<void> => {
    const done = await turns.take(isUrgent, signal);
    order.push(name);
    done();
  };
  const end = await turns.take(false, forever);
  await turns.take(false, forever);
  const giving = new AbortController();
  const ended = Promise.all([
    wait("first", false),
    assert.rejects(wait("gives up", false, giving.signal), /enough/),
    wait("second", false),
    wait("urgent", true),
  ]);
  assert.deepEqual(order, []);
  giving.abort(new Error("enough"));
  end();
  end();
  await ended;
  assert.deepEqual(order, ["urgent", "first", "second"]);
  await assert.rejects(turns.take(true, giving.signal), /enough/);
});
