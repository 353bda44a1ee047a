import assert from "node:assert/strict";
import { join } from "node:path";
import os from "node:os";
import { test, type TestContext } from "node:test";

import { openSlotDevice } from "../platform/slot-device.ts";
import { hostTree, temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { createFifoReader } from "../testing/fifo-reader.ts";
import { createHostRoot, type WatchdogFiles } from "../testing/host-root.ts";
import { interposerPath } from "../testing/interposer.ts";
import { WATCHDOG_OPTION, writeWatchdogControl } from "../testing/watchdog-control.ts";
import { createWatchdogRecordParser } from "../testing/watchdog-record.ts";
import { fileDevice } from "./testing/devices.ts";
import { sbdctl, startSbdctl } from "./testing/sbdctl.ts";
import { heartbeatOf } from "./testing/simulated-agent.ts";

const MACHINE_ID = "7d1fbb0c9e2a4f6b8c3d5e7f90a1b2c3";
const BOOT_ID = "0b0e0a0d-1111-4222-8333-444455556666";

/** A host whose only watchdog is a FIFO that answers like a driver. */
function virtualHost(context: TestContext, changes: Partial<WatchdogFiles> = {}) {
  const files: WatchdogFiles = {
    identity: "i6300ESB timer",
    options:
      WATCHDOG_OPTION.setTimeout | WATCHDOG_OPTION.magicClose | WATCHDOG_OPTION.keepAlivePing,
    minTimeoutSeconds: 1,
    maxTimeoutSeconds: 2_046,
    nowayout: false,
    ...changes,
  };
  const root = createHostRoot(join(temporaryDirectory(), "root"), MACHINE_ID, files);
  root.startBoot(BOOT_ID);
  root.showWatchdog({ active: false, timeoutSeconds: 30, bootStatus: WATCHDOG_OPTION.cardReset });
  const control = join(temporaryDirectory(), "control");
  writeWatchdogControl(control, { ...files, timeoutSeconds: 30, bootStatus: 0 });
  const parse = createWatchdogRecordParser();
  const kinds: string[] = [];
  const reader = createFifoReader(root.watchdogPath, {
    data: (chunk) => void kinds.push(...parse(chunk, 0).map(({ kind }) => kind)),
    end: () => undefined,
  });
  context.after(() => reader.close());
  return {
    root,
    kinds: () => {
      reader.drain();
      return kinds;
    },
    environment: {
      LD_PRELOAD: interposerPath(),
      SBD_VIRTUAL_WATCHDOG: root.watchdogPath,
      SBD_VIRTUAL_WATCHDOG_CONTROL: control,
    },
    test: (...more: string[]) => [
      "watchdog",
      "test",
      "--host-root",
      root.path,
      "--yes",
      "--timeout-seconds",
      "2",
      ...more,
    ],
  };
}

function show(context: TestContext, hostRoot: string, ...more: string[]) {
  return sbdctl(context, ["watchdog", "show", "--host-root", hostRoot, ...more]);
}

test("a machine without a watchdog is told so, with an empty list and exit 0", async (context) => {
  const root = hostTree({ "etc/hostname": "bare\n" });
  const text = await show(context, root);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /no watchdog that the kernel knows/);
  const { stdout } = await show(context, root, "-o", "json");
  const { watchdogs, sysrq, stopOnReboot } = JSON.parse(stdout);
  assert.deepEqual(
    { watchdogs, sysrq, stopOnReboot },
    { watchdogs: [], sysrq: null, stopOnReboot: null },
  );
});

test("a usable watchdog is shown with what an agent would set, and is not opened", async (context) => {
  const host = virtualHost(context);
  const { code, stdout } = await show(context, host.root.path, "-o", "json");
  assert.equal(code, 0);
  const { watchdogs, sysrq, stopOnReboot } = JSON.parse(stdout);
  const [watchdog] = watchdogs;
  assert.deepEqual(watchdog.judgement, {
    usable: true,
    timeoutSeconds: 15,
    effectiveMs: 15_000,
    factor: 1,
  });
  assert.deepEqual(watchdog.bootstatusMeaning, ["this watchdog reset the machine"]);
  assert.equal(watchdog.maxTimeoutSeconds, 2_046);
  assert.deepEqual(sysrq, { value: 438, rebootEnabled: true });
  assert.equal(stopOnReboot, -1);
  assert.deepEqual(host.kinds(), []);
});

test("a driver that takes two timeouts to reset is set to half of W", async (context) => {
  const host = virtualHost(context, { identity: "iTCO_wdt" });
  const args = ["-o", "json", "--watchdog-timeout-seconds", "21"];
  const { stdout } = await show(context, host.root.path, ...args);
  const [{ judgement }] = JSON.parse(stdout).watchdogs;
  assert.deepEqual(judgement, { usable: true, timeoutSeconds: 10, effectiveMs: 20_000, factor: 2 });
});

test("a driver that cannot go as low as W keeps its own timeout and is refused with the arithmetic", async (context) => {
  const host = virtualHost(context, { minTimeoutSeconds: 20 });
  const { stdout } = await show(context, host.root.path, "-o", "json");
  const [{ judgement }] = JSON.parse(stdout).watchdogs;
  assert.equal(judgement.code, "TOO_SLOW");
  assert.match(judgement.message, /may take 30 s .* longer than W = 15 s/);
});

test("a driver that nobody has measured is refused and the test of it named", async (context) => {
  const host = virtualHost(context, { identity: "Some Board Watchdog" });
  const { stdout } = await show(context, host.root.path);
  assert.match(stdout, /watchdog0: REFUSED/);
  assert.match(stdout, /run 'sbdctl watchdog test'/);
});

test("a test opens, sets, pets three times and releases", async (context) => {
  const host = virtualHost(context);
  const { code, stdout, stderr } = await sbdctl(context, host.test("-o", "json"), host.environment);
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).reportedSeconds, 2);
  assert.deepEqual(host.kinds(), ["open", "set", "pet", "pet", "pet", "magic"]);
});

test("Ctrl-C in the middle of a test releases the watchdog", async (context) => {
  const host = virtualHost(context);
  const running = startSbdctl(context, host.test(), host.environment);
  await running.said("petted; 2 more");
  running.child.kill("SIGINT");
  assert.equal((await running.finished).signal, "SIGINT");
  assert.equal(host.kinds().at(-1), "magic");
});

test("a watchdog with nowayout is not opened without --reset", async (context) => {
  const host = virtualHost(context, { nowayout: true });
  const { code, stderr } = await sbdctl(context, host.test(), host.environment);
  assert.equal(code, 3);
  assert.match(stderr, /once opened it cannot be stopped/);
  assert.deepEqual(host.kinds(), []);
});

test("a watchdog that ticks already is not opened without --reset", async (context) => {
  const host = virtualHost(context);
  host.root.showWatchdog({ active: true, timeoutSeconds: 30, bootStatus: 0 });
  const { code, stderr } = await sbdctl(context, host.test(), host.environment);
  assert.equal(code, 3);
  assert.match(stderr, /is ticking already/);
  assert.deepEqual(host.kinds(), []);
});

test("no watchdog is opened without --yes where there is no terminal", async (context) => {
  const host = virtualHost(context);
  const args = ["watchdog", "test", "--host-root", host.root.path];
  const { code, stderr } = await sbdctl(context, args, host.environment);
  assert.equal(code, 3);
  assert.match(stderr, /nowayout/);
  assert.deepEqual(host.kinds(), []);
});

test("--reset pets once, counts the seconds, and goes on beating unarmed until the end", async (context) => {
  const host = virtualHost(context);
  const path = fileDevice();
  await sbdctl(context, [
    "device",
    "init",
    path,
    "--timeout-seconds",
    "3",
    "--watchdog-timeout-seconds",
    "2",
    "--local-storage",
  ]);
  const args = host.test("--reset", "--device", path, "--node-id", "6");
  const running = startSbdctl(context, args, host.environment);
  await running.said("2.0 s since the last pet");
  const { pid } = running.child;
  assert.ok(pid !== undefined);
  // The reset: everything on the machine ends at once.
  process.kill(-pid, "SIGKILL");
  const { stderr } = await running.finished;
  assert.match(stderr, /THIS MACHINE RESETS/);
  assert.deepEqual(host.kinds(), ["open", "set", "pet"]);
  const device = openSlotDevice(path);
  context.after(() => device.close());
  device.readHeader();
  const slot = device.readHeartbeat(6);
  assert.equal(slot.kind, "heartbeat");
  const { record } = slot;
  assert.equal(record.nodeName, os.hostname());
  assert.equal(record.bootID, BOOT_ID);
  assert.equal(record.armed, false);
  assert.ok(record.sequence >= 4, `one beat each 300 ms for 2 s: ${record.sequence}`);
});

test("--reset beats in no slot of another machine, and opens nothing then", async (context) => {
  const host = virtualHost(context);
  const path = fileDevice();
  await sbdctl(context, [
    "device",
    "init",
    path,
    "--timeout-seconds",
    "3",
    "--watchdog-timeout-seconds",
    "2",
    "--local-storage",
  ]);
  const device = openSlotDevice(path);
  context.after(() => device.close());
  device.writeHeartbeat(heartbeatOf({ nodeID: 6, nodeName: "other" }));
  const args = host.test("--reset", "--device", path, "--node-id", "6");
  const { code, stderr } = await sbdctl(context, args, host.environment);
  assert.equal(code, 3);
  assert.match(stderr, /slot 6 .* is not this machine's/);
  assert.deepEqual(host.kinds(), []);
});

test("a watchdog that never resets the machine is a failure, and is released", async (context) => {
  const host = virtualHost(context);
  const args = [
    "watchdog",
    "test",
    "--host-root",
    host.root.path,
    "--yes",
    "--timeout-seconds",
    "1",
  ];
  const { code, stderr } = await sbdctl(context, [...args, "--reset"], host.environment);
  assert.equal(code, 1);
  assert.match(stderr, /has not reset this machine for 13\.\d s/);
  assert.equal(host.kinds().at(-1), "magic");
});

test("a watchdog that is not there is a failure that names those that are", async (context) => {
  const host = virtualHost(context);
  const args = host.test("--watchdog-path", "/dev/watchdog3");
  const { code, stderr } = await sbdctl(context, args, host.environment);
  assert.equal(code, 1);
  assert.match(stderr, /it knows watchdog0/);
});
