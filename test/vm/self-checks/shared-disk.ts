import assert from "node:assert/strict";
import type { GuestPlan } from "../cluster.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { readBlock, writeBlock } from "./stand-ins.ts";

/** Every guest writes a block; every guest must read what every other wrote, also after a boot. */
export const sharedDisk: Scenario = {
  number: 101,
  name: "what one guest writes to the shared disk, the others read past their caches",
  run: async (cluster, { measure }) => {
    const names = ["a", "b", "c"];
    const startedMs = monoMs();
    await cluster.start(names.map(plan));
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

    const [b, c] = [cluster.guest("b"), cluster.guest("c")];
    const offMs = monoMs();
    await c.cutPower();
    await b.pressReset();
    await Promise.all([b.booted(offMs, 90_000), cluster.start([plan("c")])]);
    measure("reset button and power cycle: both are up again after", monoMs() - offMs);
    for (const guest of [b, cluster.guest("c")]) {
      assert.equal(await guest.shell(readBlock(2)), "written again");
      const machineId = await guest.shell("cat /sys/class/dmi/id/product_uuid");
      assert.equal(machineId, guest.machineId, "it is the machine it was");
    }
    assert.notEqual(b.boots[0]?.bootId, b.bootId);
    assert.notEqual(c.bootId, cluster.guest("c").bootId);
    assert.equal(c.machineId, cluster.guest("c").machineId);
  },
};

function plan(name: string): GuestPlan {
  return { name, settings: { watchdog: { driver: "none", parameters: {} }, services: [] } };
}
