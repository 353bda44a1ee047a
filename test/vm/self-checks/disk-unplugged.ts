import assert from "node:assert/strict";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { readBlock, writeBlock } from "./stand-ins.ts";

/** b loses the SBD disk altogether, once on each kind of machine. */
export const diskUnplugged: Scenario = {
  number: 108,
  name: "a pulled disk fails for the guest that lost it, held open or not, and for no other",
  run: async (cluster, { measure }) => {
    await cluster.start([
      { name: "a", settings: { watchdog: { driver: "none", parameters: {} }, services: [] } },
      { name: "b", settings: { watchdog: { driver: "none", parameters: {} }, services: [] } },
      { name: "q35", settings: { watchdog: { driver: "iTCO_wdt", parameters: {} }, services: [] } },
    ]);
    await cluster.guest("a").shell(writeBlock(8, "still here"));
    for (const name of ["b", "q35"]) {
      const guest = cluster.guest(name);
      await guest.shell("sleep 100000 <>/dev/sbd-watchdog >/dev/null 2>&1 & echo $! >/tmp/holder");
      assert.equal(await guest.shell(readBlock(8)), "still here");
      const pulledMs = monoMs();
      await guest.unplugSbdDisk();
      measure(`${name} has let go of its disk after`, monoMs() - pulledMs);
      assert.notEqual((await guest.tryShell(readBlock(8))).status, 0);
      const held = "dd if=/proc/$(cat /tmp/holder)/fd/0 of=/dev/null bs=4096 count=1 iflag=direct";
      assert.notEqual((await guest.tryShell(held)).status, 0);
    }
    assert.equal(await cluster.guest("a").shell(readBlock(8)), "still here");
    const b = cluster.guest("b");
    const resetMs = monoMs();
    await b.pressReset();
    await b.booted(resetMs, 90_000);
    measure("b is up without the disk after", monoMs() - resetMs);
    assert.notEqual((await b.tryShell("test -e /dev/sbd-watchdog")).status, 0);
  },
};
