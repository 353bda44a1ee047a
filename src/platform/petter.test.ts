import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { native } from "./native.ts";
import { ByteLog } from "./testing/byte-log.ts";
import { PetterProcess, SYSRQ_FD, WATCHDOG_FD } from "./testing/petter-process.ts";
import { temporaryDirectory } from "./testing/temporary-directory.ts";

const NS_PER_MS = 1_000_000n;
/** How late a loaded machine may let this process see a byte. */
const GENEROUS_NS = 5_000n * NS_PER_MS;
const PERIOD_MS = 20;

function inMs(milliseconds: number): bigint {
  return native.livedNs() + BigInt(milliseconds) * NS_PER_MS;
}

async function startedPetter(context: TestContext, lifeMs: number) {
  const child = await PetterProcess.start(context);
  const deadlineNs = inMs(lifeMs);
  const result = await child.tell({ do: "start", ...FDS, periodMs: PERIOD_MS, deadlineNs });
  assert.equal(result, undefined);
  return { child, deadlineNs };
}

const FDS = { watchdogFd: WATCHDOG_FD, sysrqFd: SYSRQ_FD };
const FAR_MS = 600_000;

async function passes(timeNs: bigint): Promise<void> {
  for (;;) {
    const remaining = timeNs - native.livedNs();
    if (remaining <= 0n) return;
    await delay(Number(remaining / NS_PER_MS) + 1);
  }
}

test("pets at once and then each period, with a byte that disarms nothing", async (t) => {
  const beforeNs = native.livedNs();
  const { child } = await startedPetter(t, FAR_MS);
  await child.watchdog.reaches(5);
  assert.match(child.watchdog.text, /^\.+$/);
  assert.ok(native.livedNs() - beforeNs >= 4n * BigInt(PERIOD_MS) * NS_PER_MS);
  const stats = await child.stats();
  assert.ok(stats.running && stats.pets >= 5);
  assert.equal(stats.petErrors, 0);
});

test("at the deadline the petting ends and sysrq gets its b, once, though JavaScript idles", async (t) => {
  const { child, deadlineNs } = await startedPetter(t, 300);
  await child.sysrq.reaches(1);
  const [reboot] = child.sysrq.bytes;
  assert.ok(reboot !== undefined && reboot.atNs >= deadlineNs);
  assert.ok(reboot.atNs < deadlineNs + GENEROUS_NS);
  const atDeadline = await child.stats();
  assert.ok(atDeadline.deadlinePassed && atDeadline.sysrqWritten);
  assert.equal(await child.tell({ do: "push", deadlineNs: inMs(FAR_MS) }), "deadline-passed");

  await passes(inMs(5 * PERIOD_MS));
  assert.equal((await child.stats()).pets, atDeadline.pets);
  await child.end();
  assert.equal(child.sysrq.text, "b");
  assert.equal(child.watchdog.bytes.length, atDeadline.pets);
});

test("wakes at the deadline, not at the next period", async (t) => {
  const child = await PetterProcess.start(t);
  const deadlineNs = inMs(200);
  await child.tell({ do: "start", ...FDS, periodMs: 60_000, deadlineNs });
  await child.sysrq.reaches(1);
  assert.ok((child.sysrq.bytes[0]?.atNs ?? 0n) >= deadlineNs);
  assert.equal(child.watchdog.text, ".");
});

test("a push moves the deadline forward and never back", async (t) => {
  const { child, deadlineNs } = await startedPetter(t, 400);
  const later = deadlineNs + 400n * NS_PER_MS;
  assert.equal(await child.tell({ do: "push", deadlineNs: later }), "pushed");
  assert.equal(await child.tell({ do: "push", deadlineNs: later - 300n * NS_PER_MS }), "pushed");
  assert.equal((await child.stats()).deadlineNs, later);
  await child.sysrq.reaches(1);
  assert.ok((child.sysrq.bytes[0]?.atNs ?? 0n) >= later);
});

test("a latch ends petting for good: pushes, start and stop are refused, and the deadline stands", async (t) => {
  const { child, deadlineNs } = await startedPetter(t, 700);
  await child.watchdog.reaches(2);
  assert.equal(await child.tell({ do: "latch" }), "latched");
  const { pets } = await child.stats();
  assert.equal(await child.tell({ do: "push", deadlineNs: inMs(FAR_MS) }), "latched");
  assert.deepEqual(await child.tell({ do: "stop" }), { code: "LATCHED" });
  await child.sysrq.reaches(1);
  assert.ok((child.sysrq.bytes[0]?.atNs ?? 0n) >= deadlineNs);
  const after = await child.stats();
  assert.equal(after.pets, pets);
  assert.ok(after.latched);
  await child.end();
  assert.equal(child.watchdog.bytes.length, pets);
});

test("a process that has latched starts no petter", async (t) => {
  const child = await PetterProcess.start(t);
  assert.equal(await child.tell({ do: "latch" }), "latched");
  const start = { do: "start", ...FDS, periodMs: PERIOD_MS, deadlineNs: inMs(FAR_MS) } as const;
  assert.deepEqual(await child.tell(start), { code: "LATCHED" });
  await child.end();
  assert.equal(child.watchdog.text, "");
});

test("after a stop no pet comes, no deadline kills, and it can be started again", async (t) => {
  const { child, deadlineNs } = await startedPetter(t, 400);
  await child.watchdog.reaches(2);
  assert.equal(await child.tell({ do: "stop" }), undefined);
  const stopped = await child.stats();
  assert.equal(stopped.running, false);
  assert.equal(await child.tell({ do: "push", deadlineNs: inMs(FAR_MS) }), "not-running");
  await passes(deadlineNs + 100n * NS_PER_MS);
  assert.equal((await child.stats()).pets, stopped.pets);
  assert.equal(child.sysrq.text, "");

  const again = { do: "start", ...FDS, periodMs: PERIOD_MS, deadlineNs: inMs(FAR_MS) } as const;
  assert.equal(await child.tell(again), undefined);
  assert.deepEqual(await child.tell(again), { code: "ALREADY_RUNNING" });
  await child.watchdog.reaches(stopped.pets + 2);
});

test("a start with a deadline in the past is refused: it neither pets nor reboots", async (t) => {
  const child = await PetterProcess.start(t);
  const start = { do: "start", ...FDS, periodMs: PERIOD_MS, deadlineNs: inMs(-1) } as const;
  assert.deepEqual(await child.tell(start), { code: "DEADLINE_PASSED" });
  await child.end();
  assert.equal(child.watchdog.text + child.sysrq.text, "");
});

test("JavaScript blocked in a loop stops no pet before the deadline, and every pet after it", async (t) => {
  const { child, deadlineNs } = await startedPetter(t, 600);
  const before = child.watchdog.bytes.length;
  const unblocked = child.tell({ do: "block", untilNs: deadlineNs + 400n * NS_PER_MS });
  await child.watchdog.reaches(before + 10);
  await child.sysrq.reaches(1);
  const atReboot = child.watchdog.bytes.length;
  await unblocked;
  const stats = await child.stats();
  await child.end();
  assert.equal(child.watchdog.bytes.length, stats.pets);
  // One may have been on its way to this process when the reboot came.
  assert.ok(stats.pets <= atReboot + 1, `${stats.pets} pets, ${atReboot} at the reboot`);
  assert.equal(child.sysrq.text, "b");
});

test("a process stopped until after its deadline does not pet when it is continued: it reboots", async (t) => {
  const { child, deadlineNs } = await startedPetter(t, 400);
  await child.watchdog.reaches(2);
  child.signal("SIGSTOP");
  await passes(deadlineNs + 100n * NS_PER_MS);
  const whileStopped = child.watchdog.bytes.length;
  assert.equal(child.sysrq.text, "");
  child.signal("SIGCONT");
  await child.sysrq.reaches(1);
  await child.end();
  assert.equal(child.watchdog.bytes.length, whileStopped);
});

test("pets that fail are counted, go on, and delay no death", async (t) => {
  const child = await PetterProcess.start(t);
  const watchdogFd = Number(await child.tell({ do: "open", path: "/dev/full" }));
  const deadlineNs = inMs(300);
  const start = { do: "start", watchdogFd, sysrqFd: SYSRQ_FD, periodMs: 10, deadlineNs } as const;
  assert.equal(await child.tell(start), undefined);
  await child.sysrq.reaches(1);
  const stats = await child.stats();
  assert.ok(stats.petErrors >= 2);
  assert.equal(stats.pets, 0);
  assert.equal(stats.lastPetError, ENOSPC);
});

const ENOSPC = 28;

test("a pet blocked in its driver delays no death, and a stop does not claim that it has ended", async (t) => {
  const child = await PetterProcess.start(t);
  const path = join(temporaryDirectory(), "watchdog");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  await child.tell({ do: "fill", path });
  const watchdogFd = Number(await child.tell({ do: "open", path }));
  const deadlineNs = inMs(3_000);
  const start = { do: "start", watchdogFd, sysrqFd: SYSRQ_FD, periodMs: 10, deadlineNs } as const;
  assert.equal(await child.tell(start), undefined);
  assert.deepEqual(await child.tell({ do: "stop" }), { code: "STILL_PETTING" });
  assert.equal(await child.tell({ do: "latch" }), "pet-in-driver");
  await child.sysrq.reaches(1);
  assert.equal((await child.stats()).pets, 0);
});

test("a trigger that fails is tried again until it works", async (t) => {
  const child = await PetterProcess.start(t);
  const sysrqFd = Number(await child.tell({ do: "open", path: "/dev/full" }));
  const start = { do: "start", watchdogFd: WATCHDOG_FD, sysrqFd, periodMs: 10 } as const;
  assert.equal(await child.tell({ ...start, deadlineNs: inMs(100) }), undefined);
  await child.watchdog.reaches(1);
  await passes(inMs(300));
  const stats = await child.stats();
  assert.ok(stats.deadlinePassed && !stats.sysrqWritten);
  assert.equal(stats.lastSysrqError, ENOSPC);
});

test("a petter that a worker started outlives the worker", async (t) => {
  const child = await PetterProcess.start(t);
  const start = { do: "start-in-worker", ...FDS, periodMs: PERIOD_MS } as const;
  assert.equal(await child.tell({ ...start, deadlineNs: inMs(FAR_MS) }), 0);
  const { pets } = await child.stats();
  await child.watchdog.reaches(pets + 3);
});

const withoutNice = ["setpriv", "--bounding-set=-sys_nice"];
const cannotDropNice =
  process.getuid?.() !== 0
    ? "needs root to drop a capability"
    : spawnSync(withoutNice[0] ?? "", [...withoutNice.slice(1), "true"]).status !== 0 &&
      "needs setpriv of util-linux";

test(
  "where SCHED_FIFO is refused it pets without, and says so",
  { skip: cannotDropNice },
  async (t) => {
    const child = await PetterProcess.start(t, ...withoutNice);
    const start = { do: "start", ...FDS, periodMs: PERIOD_MS, deadlineNs: inMs(FAR_MS) } as const;
    assert.equal(await child.tell(start), undefined);
    await child.watchdog.reaches(3);
    assert.equal((await child.stats()).fifoErrno, EPERM);
  },
);

const EPERM = 1;

test("a FIFO will do for a watchdog", async (t) => {
  const child = await PetterProcess.start(t);
  const path = join(temporaryDirectory(), "watchdog");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  const cat = spawn("cat", [path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => cat.kill("SIGKILL"));
  const log = new ByteLog(cat.stdout);
  const watchdogFd = Number(await child.tell({ do: "open", path }));
  const start = { do: "start", watchdogFd, sysrqFd: -1, periodMs: PERIOD_MS } as const;
  assert.equal(await child.tell({ ...start, deadlineNs: inMs(300) }), undefined);
  await log.reaches(3);
  await child.end();
  await log.ended;
  assert.match(log.text, /^\.+$/);
  assert.ok(fs.existsSync(path));
});
