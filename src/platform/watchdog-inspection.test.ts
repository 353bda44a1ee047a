import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { hostTree, temporaryDirectory, type TreeEntry } from "./testing/temporary-directory.ts";
import { WatchdogError } from "./watchdog-error.ts";
import { inspectWatchdog, listWatchdogs } from "./watchdog-inspection.ts";

function watchdog(name: string, attributes: Record<string, string>): Record<string, TreeEntry> {
  return Object.fromEntries(
    Object.entries(attributes).map(([file, value]) => [
      `sys/class/watchdog/${name}/${file}`,
      `${value}\n`,
    ]),
  );
}

const SOFTDOG = watchdog("watchdog0", {
  dev: "248:0",
  identity: "Software Watchdog",
  state: "inactive",
  timeout: "60",
  min_timeout: "1",
  max_timeout: "65535",
  nowayout: "0",
  options: "0x8180",
  bootstatus: "0",
});
const ITCO: Record<string, TreeEntry> = {
  ...watchdog("watchdog1", {
    dev: "248:1",
    identity: "iTCO_wdt",
    state: "active",
    timeout: "30",
    nowayout: "1",
  }),
  "sys/class/watchdog/watchdog1/device/driver": { link: "../../../bus/platform/drivers/iTCO_wdt" },
};

test("a watchdog is described without being opened", () => {
  const root = hostTree({
    ...SOFTDOG,
    "proc/cmdline": "softdog.soft_noboot=1",
    "sys/module/watchdog/parameters/stop_on_reboot": "-1\n",
  });
  assert.deepEqual(inspectWatchdog("/dev/watchdog", root), {
    device: "watchdog0",
    identity: "Software Watchdog",
    driver: "softdog",
    state: "inactive",
    timeoutSeconds: 60,
    minTimeoutSeconds: 1,
    maxTimeoutSeconds: 65_535,
    nowayout: false,
    options: 0x8180,
    bootstatus: 0,
    moduleParameters: { soft_noboot: "1" },
    stopOnReboot: -1,
  });
});

test("looking at a watchdog neither opens, arms nor disarms it", () => {
  const root = hostTree(SOFTDOG);
  fs.mkdirSync(join(root, "dev"));
  const device = join(root, "dev/watchdog");
  // To open a FIFO that nobody reads would block, and to read one would take what is in it.
  assert.equal(spawnSync("mkfifo", [device]).status, 0);
  assert.equal(inspectWatchdog("/dev/watchdog", root).state, "inactive");
  assert.equal(listWatchdogs(root).length, 1);
});

test("the driver's link names it, and what a driver does not say is null", () => {
  const inspection = inspectWatchdog("/dev/watchdog1", hostTree({ ...SOFTDOG, ...ITCO }));
  assert.equal(inspection.driver, "iTCO_wdt");
  assert.equal(inspection.state, "active");
  assert.equal(inspection.nowayout, true);
  assert.equal(inspection.maxTimeoutSeconds, null);
  assert.equal(inspection.options, null);
  assert.equal(inspection.stopOnReboot, null);
});

test("a kernel that shows no attributes leaves the state unknown", () => {
  const root = hostTree(watchdog("watchdog0", { dev: "248:0" }));
  const inspection = inspectWatchdog("/dev/watchdog", root);
  assert.equal(inspection.state, "unknown");
  assert.equal(inspection.driver, null);
});

test("a path that is an alias is known by its device number, not by its name", (t) => {
  if (process.getuid?.() !== 0) {
    t.skip("making device nodes needs root");
    return;
  }
  const root = hostTree({ ...SOFTDOG, ...ITCO });
  const directory = temporaryDirectory();
  for (const [name, major, minor] of [
    ["hardware", "248", "1"],
    ["legacy", "10", "130"],
    ["stranger", "1", "3"],
  ] as const) {
    const made = spawnSync("mknod", [join(directory, name), "c", major, minor]);
    assert.equal(made.status, 0);
    fs.symlinkSync(join(directory, name), join(root, name));
  }
  assert.equal(inspectWatchdog("/hardware", root).device, "watchdog1");
  assert.equal(inspectWatchdog("/legacy", root).device, "watchdog0");
  assert.throws(() => inspectWatchdog("/stranger", root), isNotFound);
});

test("who holds a watchdog is named, under whichever of its names", () => {
  const root = hostTree({
    ...SOFTDOG,
    ...ITCO,
    "proc/321/comm": "watchdogd\n",
    "proc/321/fd/3": { link: "/dev/null" },
    "proc/321/fd/4": { link: "/dev/watchdog" },
    "proc/bus/fd/4": { link: "/dev/watchdog1" },
  });
  assert.deepEqual(inspectWatchdog("/dev/watchdog0", root).holder, {
    pid: 321,
    command: "watchdogd",
  });
  assert.equal(inspectWatchdog("/dev/watchdog1", root).holder, undefined);
});

test("all watchdogs are listed by number", () => {
  const root = hostTree({ ...watchdog("watchdog10", { dev: "248:10" }), ...ITCO, ...SOFTDOG });
  const devices = listWatchdogs(root).map((each) => each.device);
  assert.deepEqual(devices, ["watchdog0", "watchdog1", "watchdog10"]);
  assert.deepEqual(listWatchdogs(hostTree({})), []);
});

function isNotFound(error: unknown): boolean {
  return error instanceof WatchdogError && error.code === "NOT_FOUND";
}

test("a path that is no watchdog is refused with those that there are", () => {
  assert.throws(() => inspectWatchdog("/dev/watchdog7", hostTree(SOFTDOG)), isNotFound);
  assert.throws(() => inspectWatchdog("/dev/null", hostTree(SOFTDOG)), /it knows watchdog0/);
  assert.throws(() => inspectWatchdog("/dev/watchdog", hostTree({})), /no watchdog at all/);
});
