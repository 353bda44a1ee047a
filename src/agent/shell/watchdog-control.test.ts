import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { runPreloaded } from "../../platform/testing/preloaded.ts";
import { hostTree } from "../../platform/testing/temporary-directory.ts";
import { lookAtWatchdog } from "./watchdog-control.ts";

const MODULE = new URL("watchdog-control.ts", import.meta.url).href;
const CLOCK = new URL("../../platform/host-clock.ts", import.meta.url).href;

/** A driver that rounds its timeout up to 16 s. What is written to it stays in a file. */
const DRIVER = `
#include <errno.h>
#include <linux/watchdog.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int ioctl(int fd, unsigned long request, ...) {
  va_list list; va_start(list, request); void *argument = va_arg(list, void *); va_end(list);
  if (_IOC_TYPE(request) != WATCHDOG_IOCTL_BASE) return syscall(SYS_ioctl, fd, request, argument);
  if (request == WDIOC_SETTIMEOUT || request == WDIOC_GETTIMEOUT) { *(int *)argument = 16; return 0; }
  if (request == WDIOC_GETSUPPORT) {
    memset(argument, 0, sizeof(struct watchdog_info));
    ((struct watchdog_info *)argument)->options = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE;
    return 0;
  }
  errno = ENOTTY;
  return -1;
}`;

/** Runs `does` in a process that has `watchdog`, and `pets()` and `sysrq()` to see what was written. */
function control(does: string): unknown {
  const root = hostTree({ "dev/watchdog": "", "proc/sysrq-trigger": "" });
  const output = runPreloaded(
    DRIVER,
    `import fs from "node:fs";
     import { setTimeout as delay } from "node:timers/promises";
     import { createWatchdogControl } from ${JSON.stringify(MODULE)};
     import { hostClock } from ${JSON.stringify(CLOCK)};
     const root = ${JSON.stringify(root)};
     const trigger = root + "/proc/sysrq-trigger";
     const sysrq = { fd: fs.openSync(trigger, "w"), mask: { kind: "enabled", before: 0, value: 128 }, reboot() {}, close() {} } as const;
     const watchdog = createWatchdogControl("/dev/watchdog", root, sysrq);
     const pets = () => fs.readFileSync(root + "/dev/watchdog", "utf8");
     const triggered = () => fs.readFileSync(trigger, "utf8");
     const until = async (is: () => boolean) => { while (!is()) await delay(5); };
     const inMs = (ms: number) => hostClock.livedMs() + ms;
     console.log(JSON.stringify(await (async () => { ${does} })()));
     process.exit(0);`,
  );
  return JSON.parse(output);
}

test("what the driver took is reported, not what was asked for", () => {
  assert.deepEqual(control("return watchdog.open(10);"), { reportedSeconds: 16, options: 0x180 });
});

test("a latch reaches the petter: from then on one keepalive comes, the one that shortens", () => {
  const [before, latched, shortened, later] = control(`
    watchdog.open(10);
    watchdog.startPetter(10, inMs(600_000), true);
    await until(() => pets().length > 5);
    watchdog.latch();
    await delay(50);
    const latched = pets().length;
    await delay(300);
    const before = pets().length;
    const shortened = watchdog.shorten(4);
    const after = pets().length;
    await delay(200);
    return [[latched, before], shortened, after - before, pets().length - after];
  `) as [[number, number], object, number, number];
  assert.equal(before[0], before[1], "it pets on behind a latch");
  assert.deepEqual(latched, { ok: true, reportedSeconds: 16 });
  assert.deepEqual([shortened, later], [1, 0]);
});

function atDeadline(selfFence: boolean): unknown {
  return control(`
    watchdog.open(10);
    watchdog.startPetter(10, inMs(150), ${selfFence});
    await delay(400);
    const pet = pets().length;
    await delay(200);
    return [pets().length - pet, triggered()];
  `);
}

test("an armed agent's deadline reboots, an unarmed one's ends its pets and nothing else", () => {
  assert.deepEqual(atDeadline(true), [0, "b"]);
  assert.deepEqual(atDeadline(false), [0, ""]);
});

test("a release comes after the last pet, and is the last byte", () => {
  const written = control(`
    watchdog.open(10);
    watchdog.startPetter(10, inMs(600_000), true);
    await until(() => pets().length > 2);
    watchdog.release();
    await delay(100);
    return pets();
  `);
  assert.match(String(written), /^\.+V$/);
});

function ticks(state: string | null, deviceUUID: string | null): boolean {
  const root = hostTree({
    "sys/class/watchdog/watchdog0/identity": "Software Watchdog\n",
    ...(state === null ? {} : { "sys/class/watchdog/watchdog0/state": state }),
  });
  fs.mkdirSync(join(root, "dev"));
  const seen = lookAtWatchdog("/dev/watchdog0", root, { deviceUUID });
  assert.ok(seen.kind === "present");
  return seen.ticking;
}

test("a watchdog ticks that the kernel says is active, whoever started it", () => {
  assert.equal(ticks("active\n", null), true);
  assert.equal(ticks("inactive\n", "device-1"), false);
});

test("where the kernel does not say, one ticks that an agent of this boot may have armed", () => {
  assert.equal(ticks(null, null), false);
  assert.equal(ticks(null, "device-1"), true);
});
