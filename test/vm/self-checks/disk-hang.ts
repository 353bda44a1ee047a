import assert from "node:assert/strict";
import { elapse } from "../bounded.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { petter, readBlock, watchdogOf, workload, writeBlock } from "./stand-ins.ts";

const WATCHDOG_S = 4;
const HANG_MS = 5000;

/**
 * b's disk hangs and comes back; it hangs again, b dies of its watchdog, and its write lands. Then
 * a's hangs, and a resets itself by sysrq.
 */
export const diskHang: Scenario = {
  number: 107,
  name: "a hung disk holds up one guest's request alone, and its write may land after its death",
  run: async (cluster, { measure }) => {
    await cluster.start(
      ["a", "b"].map((name, block) => ({
        name,
        settings: {
          watchdog: watchdogOf("i6300esb", WATCHDOG_S),
          services: [petter(WATCHDOG_S), workload(name, block)],
        },
      })),
    );
    const [a, b] = [cluster.guest("a"), cluster.guest("b")];
    await Promise.all([
      cluster.observer.working("a", 1, 30_000),
      cluster.observer.working("b", 1, 30_000),
    ]);

    b.sbdPort.inject({ operations: "all", effect: { kind: "hang" } });
    const startedMs = monoMs();
    const hung = b.shell(writeBlock(8, "held"), 60_000);
    const first = await Promise.race([hung, elapse(HANG_MS).then(() => "still hanging")]);
    assert.equal(first, "still hanging");
    assert.equal(b.sbdPort.unanswered, 1);
    assert.equal(await a.shell(readBlock(8)), "", "nothing has landed");
    assert.equal(await b.shell("echo alive"), "alive", "the rest of b goes on");
    assert.deepEqual(b.drainsMs, [], "a living guest's request is left alone");
    b.sbdPort.heal();
    await hung;
    measure(`b's write, healed after ${HANG_MS} ms, took`, monoMs() - startedMs);
    assert.equal(await a.shell(readBlock(8)), "held");

    b.sbdPort.inject({ operations: "all", effect: { kind: "hang" } });
    const orphaned = b.shell(writeBlock(8, "from the dead"), 60_000).catch(() => undefined);
    const { bootId } = b;
    await waitUntilHeld(cluster.sbdDisk.path, () => b.sbdPort.unanswered);
    const frozenMs = monoMs();
    await b.signal("pet", "STOP");
    await b.qmp.event("WATCHDOG", frozenMs, 30_000);
    const reset = await b.reset(frozenMs, 30_000);
    await orphaned;
    const lastMs = cluster.observer.life(bootId)?.lastMs ?? 0;
    measure(`b's last write after its petter was stopped, W = ${WATCHDOG_S} s`, lastMs - frozenMs);
    assert.equal(await a.shell(readBlock(8)), "held", "its write is still on the way");
    const boot = await b.booted(reset.atMs, 90_000);
    measure("b is up again, its disk still hanging, after", boot.atMs - lastMs);
    b.sbdPort.heal();
    assert.equal(await a.shell(readBlock(8)), "from the dead");

    a.sbdPort.inject({ operations: "all", effect: { kind: "hang" } });
    const cut = a.shell(writeBlock(9, "cut off"), 60_000).catch(() => undefined);
    await waitUntilHeld(cluster.sbdDisk.path, () => a.sbdPort.unanswered);
    const { bootId: cutBootId } = a;
    const triggeredMs = monoMs();
    // The answer, if any, is lost with the boot.
    await a.tryShell("echo b >/proc/sysrq-trigger").catch(() => undefined);
    await a.reset(triggeredMs, 30_000);
    await cut;
    const cutMs = cluster.observer.life(cutBootId)?.lastMs ?? 0;
    measure("a's last write after sysrq-b, a request of its own hanging", cutMs - triggeredMs);
    assert.ok(cutMs - triggeredMs < 1000, "sysrq-b asks no disk");
    assert.equal(a.drainsMs.length, 1, "QEMU had to be let go");
  },
};

/** The guest takes a moment to send its request; there is no event for that on the host. */
async function waitUntilHeld(what: string, held: () => number): Promise<void> {
  const untilMs = monoMs() + 20_000;
  while (held() === 0) {
    assert.ok(monoMs() < untilMs, `no request of the guest reached ${what}`);
    await elapse(20);
  }
}
