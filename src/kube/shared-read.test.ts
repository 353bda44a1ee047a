import assert from "node:assert/strict";
import { test } from "node:test";

import { createSharedRead } from "./shared-read.ts";
import { until } from "./testing/until.ts";

test("who asks while a read is under way shares the next one, whatever becomes of the first", async () => {
  const reads: { readonly keys: readonly string[]; readonly end: (error?: Error) => void }[] = [];
  const shared = createSharedRead<string, string>(async (keys) => {
    const number = reads.length + 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    reads.push({ keys: [...keys], end: (error) => (error ? reject(error) : resolve()) });
    await promise;
    return (key) => `${key} in read ${number}`;
  });
  const early = [shared.ask("a"), shared.ask("b"), shared.ask("a")];
  await until("the first read begins", () => reads.length === 1);
  const late = [shared.ask("a"), shared.ask("c")];
  assert.deepEqual(
    reads.map(({ keys }) => keys),
    [["a", "b"]],
  );
  reads[0]?.end(new Error("cut off"));
  for (const question of early) await assert.rejects(question, /cut off/);
  await until("the second read begins", () => reads.length === 2);
  reads[1]?.end();
  assert.deepEqual(await Promise.all(late), ["a in read 2", "c in read 2"]);
  assert.equal(reads.length, 2);
});
