import assert from "node:assert/strict";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { petter, watchdogOf, workload } from "./stand-ins.ts";

const WATCHDOG_S = 4;

/** A non-maskable interrupt panics the kernel, which then stands still until the hardware acts. */
export const kernelPanic: Scenario = {
  number: 105,
  name: "a kernel that panics stops working at once and is reset by the hardware watchdog",
  run: async (cluster, { measure }) => {
    await cluster.start([
      {
        name: "a",
        settings: {
          watchdog: watchdogOf("i6300esb", WATCHDOG_S),
          services: [petter(WATCHDOG_S), workload("a", 0)],
        },
      },
    ]);
    const guest = cluster.guest("a");
    const first = await cluster.observer.working("a", 1, 30_000);
    await guest.shell("echo 1 >/proc/sys/kernel/unknown_nmi_panic");
    const askedMs = monoMs();
    await guest.injectNmi();
    const panic = await guest.console.waitFor(/Kernel panic/, askedMs, 10_000);
    const reset = await guest.qmp.event("WATCHDOG", askedMs, 30_000);
    const lastMs = cluster.observer.life(first.bootId)?.lastMs ?? 0;
    measure("from panic to last write", lastMs - panic.atMs);
    measure(`from panic to the watchdog's reset, W = ${WATCHDOG_S} s`, reset.atMs - panic.atMs);
    assert.ok(lastMs - panic.atMs < 500, "work ended with the panic");
    assert.ok(reset.atMs - panic.atMs < 5500, "the watchdog acted within its time");
    const boot = await guest.booted(reset.atMs, 90_000);
    assert.notEqual(boot.bootId, first.bootId);
  },
};
