import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Observer } from "./observer.ts";
import { SharedDisk } from "./shared-disk.ts";
import { workloadBlock, workloadBlockBytes } from "./workload-line.ts";

test("the observer dates each boot's work, and sees a block change hands", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "observer-"));
  const disk = new SharedDisk(join(folder, "workload.img"), 1 << 20);
  t.after(() => {
    disk.close();
    rmSync(folder, { recursive: true });
  });
  const observer = new Observer(disk);
  const [first, second] = [randomUUID(), randomUUID()];
  const write = (guest: string, bootId: string, sequence: number, block: number): void => {
    const line = { writer: "database", bootId, sequence };
    disk.write(block * workloadBlockBytes, workloadBlock(line), guest);
  };
  write("a", first, 1, 0);
  write("a", first, 2, 0);
  const coming = observer.working("b", 1, 1000);
  write("b", second, 1, 0);
  write("b", second, 2, 0);
  disk.write(0, Buffer.alloc(workloadBlockBytes), "c");
  assert.equal((await coming).bootId, second);
  assert.deepEqual(
    observer.lives.map(({ guest, bootId, writes, lastSequence }) => [
      guest,
      bootId,
      writes,
      lastSequence,
    ]),
    [
      ["a", first, 2, 2],
      ["b", second, 2, 2],
    ],
  );
  assert.equal(observer.handovers.length, 1);
  assert.deepEqual(
    [observer.handovers[0]?.from.sequence, observer.handovers[0]?.to.sequence],
    [2, 1],
  );
});
