import assert from "node:assert/strict";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { readBlock, writeBlock } from "./stand-ins.ts";

/** Every guest writes a block; every guest must read what every other wrote. */
export const sharedDisk: Scenario = {
  number: 1,
  name: "what one guest writes to the shared disk, the others read past their caches",
  run: async (cluster, measure) => {
    const names = ["a", "b", "c"];
    const startedMs = monoMs();
    await cluster.start(
      names.map((name) => ({
        name,
        settings: { watchdog: { driver: "none", parameters: {} }, services: [] },
      })),
    );
    measure("three guests are up after", monoMs() - startedMs);
    const landedMs: number[] = [];
    cluster.sbdDisk.onWrite((write) => landedMs.push(write.atMs));
    for (const [index, name] of names.entries()) {
      await cluster.guest(name).shell(writeBlock(index, `written by ${name}`));
      for (const reader of cluster.guests) {
        assert.equal(await reader.shell(readBlock(index)), `written by ${name}`);
      }
      measure(`${name}'s write is read by all three after`, monoMs() - (landedMs[index] ?? 0));
    }
    // Overwritten: a reader that had cached the first text would still show it.
    await cluster.guest("a").shell(writeBlock(2, "written again"));
    assert.equal(await cluster.guest("b").shell(readBlock(2)), "written again");
  },
};
