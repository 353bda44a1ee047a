import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { encodeDeviceHeader } from "../protocol/device-header.ts";
import type { FenceSlot } from "../protocol/fence-record.ts";
import { DEVICE, FENCE, HEARTBEAT } from "../protocol/bench/samples.ts";
import {
  createFaultControl,
  faultEnvironment,
  type FaultControl,
} from "../testing/fault-control.ts";
import type { DeviceReply, DeviceRequest } from "./device-request.ts";
import { platformModule, runPreloaded } from "./testing/preloaded.ts";
import type { FromChild, ToChild } from "./testing/disk-worker-child.ts";

const CHILD = fileURLToPath(new URL("testing/disk-worker-child.ts", import.meta.url));
const DELAY_MS = 300;
/** What is never answered, or told, fails. */
const UNHEARD = { timeout: 60_000 };
/** A worker that finds this file when it is to answer dies instead. */
const CRASH_ENV = "DISK_WORKER_TEST_CRASH";
const CRASHES = `
  import { isMainThread, parentPort } from "node:worker_threads";
  import { existsSync, rmSync } from "node:fs";
  if (!isMainThread) {
    const post = parentPort.postMessage.bind(parentPort);
    parentPort.postMessage = (message) => {
      if (!existsSync(process.env.${CRASH_ENV})) return post(message);
      rmSync(process.env.${CRASH_ENV});
      process.exit(1);
    };
  }`;

let directory: string;
let path: string;
let faults: FaultControl;
let child: ChildProcess;
let ids = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sbd-disk-worker-"));
  path = join(directory, "device");
  writeFileSync(path, blankDevice());
  faults = createFaultControl(join(directory, "faults"));
  child = fork(CHILD, [path], {
    serialization: "advanced",
    execArgv: ["--import", `data:text/javascript,${encodeURIComponent(CRASHES)}`],
    env: {
      ...process.env,
      ...faultEnvironment(faults, path),
      [CRASH_ENV]: join(directory, "crash"),
    },
  });
});

afterEach(() => {
  child.kill("SIGKILL");
  faults.close();
  rmSync(directory, { recursive: true });
});

function blankDevice(): Uint8Array {
  const bytes = new Uint8Array(2 << 20);
  bytes.set(encodeDeviceHeader(DEVICE, 512));
  return bytes;
}

type Answered<Op extends DeviceRequest["op"]> = {
  readonly reply: DeviceReply[Op];
  readonly fromRawMs: number;
  readonly toRawMs: number;
};

async function ask<Op extends DeviceRequest["op"]>(
  request: DeviceRequest & { readonly op: Op },
): Promise<Answered<Op>> {
  ids += 1;
  const id = ids;
  const { promise, resolve, reject } = Promise.withResolvers<Answered<Op>>();
  const heard = (message: FromChild): void => {
    if (message.type === "replaced" || message.id !== id) return;
    child.off("message", heard);
    if (message.type === "failed") reject(new Error(message.error));
    else resolve(message as unknown as Answered<Op>);
  };
  child.on("message", heard);
  child.send({ id, request } satisfies ToChild);
  return await promise;
}

async function fenceSlot(): Promise<FenceSlot | undefined> {
  const { reply } = await ask({ op: "read-regions" });
  return reply.fences.get(FENCE.targetNodeID);
}

test("a record is written only when it was flushed", async () => {
  await ask({ op: "write-heartbeat", record: HEARTBEAT });
  faults.set({ sync: { errno: "EIO" } });
  await assert.rejects(ask({ op: "write-heartbeat", record: HEARTBEAT }), /EIO/);
  await assert.rejects(ask({ op: "write-fence", record: FENCE }), /EIO/);
});

test("a region counts from before its read, however long that takes", async () => {
  faults.set({ read: { delayMs: DELAY_MS } });
  const { reply, fromRawMs, toRawMs } = await ask({ op: "read-regions" });
  for (const { startedRawMs, endedRawMs } of [reply.heartbeatsTimes, reply.fencesTimes]) {
    assert.ok(endedRawMs - startedRawMs >= DELAY_MS);
    assert.ok(startedRawMs >= fromRawMs && endedRawMs <= toRawMs);
  }
  assert.ok(reply.fencesTimes.startedRawMs >= reply.heartbeatsTimes.endedRawMs);
});

test("a message counts as durable from when it was flushed and read back, not from its submission", async () => {
  // Opened by now: what that takes is no part of the write.
  await ask({ op: "read-regions" });
  faults.set({ sync: { delayMs: DELAY_MS }, read: { delayMs: DELAY_MS } });
  const { reply, fromRawMs, toRawMs } = await ask({ op: "write-fence", record: FENCE });
  assert.deepEqual(reply.readBack, { kind: "fence", record: FENCE });
  assert.ok(reply.endedRawMs - fromRawMs >= 2 * DELAY_MS);
  assert.ok(reply.endedRawMs <= toRawMs);
  const replaced = await ask({
    op: "replace-fence",
    expected: reply.readBack,
    record: { ...FENCE, nonce: "0".repeat(32) },
  });
  assert.ok(replaced.reply.replaced);
  assert.ok(replaced.reply.endedRawMs - replaced.fromRawMs >= 3 * DELAY_MS);
});

test("a slot is replaced only while it holds what is expected", async () => {
  await ask({ op: "write-fence", record: FENCE });
  const record = { ...FENCE, reason: 0, epoch: FENCE.epoch + 1, nonce: "0".repeat(32) };
  const another = { kind: "fence", record: { ...FENCE, nonce: "1".repeat(32) } } as const;
  const refused = await ask({ op: "replace-fence", expected: another, record });
  assert.equal(refused.reply.replaced, false);
  assert.deepEqual(refused.reply.readBack, { kind: "fence", record: FENCE });
  assert.deepEqual(await fenceSlot(), { kind: "fence", record: FENCE });

  const expected = { kind: "fence", record: FENCE } as const;
  const replaced = await ask({ op: "replace-fence", expected, record });
  assert.equal(replaced.reply.replaced, true);
  assert.deepEqual(await fenceSlot(), { kind: "cleared", record });
});

test("a device whose I/O failed is opened anew, so that a path that comes back is found", async () => {
  await ask({ op: "write-fence", record: FENCE });
  const other = join(directory, "other");
  copyFileSync(path, other);
  const behind = { ...FENCE, epoch: FENCE.epoch + 7 };
  faults.set({ read: { errno: "EIO" } });
  await assert.rejects(ask({ op: "read-regions" }), /EIO/);
  faults.heal();
  writeFileSync(other, blankDevice());
  renameSync(other, path);
  assert.equal(await fenceSlot(), undefined, "what the path leads to now holds no message");
  await ask({ op: "write-fence", record: behind });
  assert.deepEqual(await fenceSlot(), { kind: "fence", record: behind });
});

test(
  "a worker that dies fails what it had in flight, and is replaced, and that is told",
  UNHEARD,
  async () => {
    await ask({ op: "write-fence", record: FENCE });
    assert.ok((await fenceSlot()) !== undefined);
    const told = Promise.withResolvers<void>();
    child.on("message", ({ type }: FromChild) => {
      if (type === "replaced") told.resolve();
    });
    writeFileSync(join(directory, "crash"), "");
    await assert.rejects(ask({ op: "read-regions" }), /the disk worker died/);
    await told.promise;
    assert.deepEqual(
      await fenceSlot(),
      { kind: "fence", record: FENCE },
      "a new one tells all anew",
    );
  },
);

/** The machine has slept for 1000 s: the clock that counts that is so much ahead. */
const SLEPT = `
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_BOOTTIME) now->tv_sec += 1000;
  return result;
}`;

test("an uptime counts the time that the machine slept, and a fencer's reads do not", () => {
  const output = runPreloaded(
    SLEPT,
    `import { startDiskWorker } from ${JSON.stringify(platformModule("disk-worker-handle.ts"))};
     import { hostClock } from ${JSON.stringify(platformModule("host-clock.ts"))};
     const worker = startDiskWorker(${JSON.stringify(path)}, () => undefined);
     const before = [hostClock.livedMs(), hostClock.rawMs()];
     const { uptimeMs } = await worker.request({ op: "read-pass", nodeID: 1 });
     const { heartbeatsTimes } = await worker.request({ op: "read-regions" });
     console.log(JSON.stringify({ before, uptimeMs, heartbeatsTimes, after: [hostClock.livedMs(), hostClock.rawMs()] }));
     process.exit(0);`,
  );
  const { before, uptimeMs, heartbeatsTimes, after } = JSON.parse(output) as {
    readonly before: readonly [number, number];
    readonly after: readonly [number, number];
    readonly uptimeMs: number;
    readonly heartbeatsTimes: { readonly startedLivedMs: number; readonly startedRawMs: number };
  };
  assert.ok(before[0] - before[1] > 999_000);
  assert.ok(uptimeMs >= Math.floor(before[0]) && uptimeMs <= after[0]);
  const { startedLivedMs, startedRawMs } = heartbeatsTimes;
  assert.ok(startedLivedMs >= before[0] && startedLivedMs <= after[0]);
  assert.ok(startedRawMs >= before[1] && startedRawMs <= after[1]);
});
