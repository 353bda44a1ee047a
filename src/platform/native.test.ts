import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

import { errnoName } from "./errno.ts";
import { loadNative, native, NativeAddonError } from "./native.ts";
import { temporaryDirectory } from "./testing/temporary-directory.ts";

const { O_RDWR, O_CREAT, O_RDONLY } = fs.constants;

test("watchdog requests have the numbers of the kernel's headers, read bit included", (t) => {
  if (process.arch !== "x64" && process.arch !== "arm64") {
    t.skip("ioctl numbers are known here for x86_64 and arm64");
    return;
  }
  assert.deepEqual(native.watchdogIoctlNumbers(), {
    setTimeout: 0xc0045706,
    getTimeout: 0x80045707,
    getTimeleft: 0x8004570a,
    getSupport: 0x80285700,
    getBootStatus: 0x80045702,
  });
});

test("a request to what is no watchdog returns -ENOTTY", () => {
  const fd = native.open("/dev/null", O_RDWR, 0);
  for (const result of [
    native.watchdogSetTimeout(fd, 10),
    native.watchdogGetTimeout(fd),
    native.watchdogGetTimeleft(fd),
    native.watchdogGetBootStatus(fd),
    native.watchdogGetSupport(fd),
    native.blockSizes(fd),
  ]) {
    assert.equal(errnoName(Number(result)), "ENOTTY");
  }
  assert.equal(native.close(fd), 0);
});

test("the lived clock only rises, and keeps pace with the raw one while nothing is suspended", () => {
  const difference = native.livedNs() - native.monotonicRawNs();
  let last = native.livedNs();
  for (let sample = 0; sample < 20_000; sample += 1) {
    const now = native.livedNs();
    assert.ok(now >= last);
    last = now;
  }
  const drift = native.livedNs() - native.monotonicRawNs() - difference;
  assert.ok(drift < 1_000_000_000n && drift > -1_000_000_000n, `${drift}`);
});

test("the lived clock is the time since boot, suspended time included", () => {
  const uptimeSeconds = Number(fs.readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  const livedSeconds = Number(native.livedNs()) / 1e9;
  // NTP slews /proc/uptime by a tenth at most; it does not slew ours.
  assert.ok(Math.abs(livedSeconds - uptimeSeconds) < 2 + uptimeSeconds / 8);
});

test("an aligned buffer is zeroed and fit for O_DIRECT", () => {
  const buffer = native.alignedBuffer(8192);
  assert.ok(buffer instanceof Uint8Array);
  assert.equal(buffer.length, 8192);
  assert.ok(buffer.every((byte) => byte === 0));
  const path = join(temporaryDirectory(), "file");
  const fd = native.open(path, O_RDWR | O_CREAT | fs.constants.O_DIRECT, 0o600);
  assert.equal(native.pwrite(fd, buffer, 4096, 4096, 4096), 4096);
  assert.equal(native.fdatasync(fd), 0);
  assert.equal(native.pread(fd, buffer, 0, 8192, 0), 8192);
  assert.equal(native.pread(fd, buffer, 0, 4096, 8192), 0);
  native.close(fd);
});

test("a malformed call is -EINVAL and touches nothing", () => {
  const call = native as unknown as Record<string, (...parameters: unknown[]) => number>;
  const buffer = new Uint8Array(16);
  for (const [name, ...parameters] of [
    ["open", "/dev/null"],
    ["open", "/dev/\0null", 0, 0],
    ["pread", 0, buffer, 0, 17, 0],
    ["pread", 0, buffer, 8, 9, 0],
    ["pwrite", 0, buffer, -1, 1, 0],
    ["pwrite", 0, "text", 0, 1, 0],
    ["alignedBuffer", 0],
    ["alignedBuffer", 2 ** 40],
    ["writeByte", 1, 256],
    ["petterStart", {}],
    ["petterStart", { watchdogFd: 1, sysrqFd: -1, periodMs: 0, deadlineNs: 1n }],
    ["petterPush", 1],
    ["runInHostNamespaces", []],
    ["runInHostNamespaces", "/bin/true"],
    ["childStatus", -1],
  ] as const) {
    assert.equal(errnoName(call[name]?.(...parameters) ?? 0), "EINVAL", name);
  }
});

test("descriptors are not inherited, so that no child keeps a watchdog or a lock", () => {
  const fd = native.open("/dev/null", O_RDONLY, 0);
  const flags = /flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
  assert.notEqual(Number.parseInt(flags ?? "", 8) & O_CLOEXEC, 0);
  native.close(fd);
});

const O_CLOEXEC = 0o2000000;

test("an exclusive lock is not waited for", () => {
  const path = join(temporaryDirectory(), "lock");
  const first = native.open(path, O_RDWR | O_CREAT, 0o600);
  const second = native.open(path, O_RDWR, 0);
  assert.equal(native.flockExclusive(first), 0);
  assert.equal(errnoName(native.flockExclusive(second)), "EAGAIN");
  native.close(first);
  assert.equal(native.flockExclusive(second), 0);
  native.close(second);
});

test("every isolate loads the addon, and they share one petter", async () => {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData).then(({ native }) => parentPort.postMessage(native.petterStats()));`;
  const worker = new Worker(code, {
    eval: true,
    workerData: new URL("native.ts", import.meta.url).href,
  });
  const stats = await new Promise((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  await worker.terminate();
  assert.deepEqual(stats, native.petterStats());
});

const canMakeNamespaces = spawnSync("unshare", ["--pid", "--fork", "--mount", "true"]).status === 0;

test(
  "a program runs in process 1's mount namespace, and its exit is told",
  { skip: canMakeNamespaces ? false : "making namespaces needs root" },
  () => {
    const module = new URL("native.ts", import.meta.url).href;
    const script = `
      import { readlinkSync } from "node:fs";
      import { setTimeout as delay } from "node:timers/promises";
      import { native } from ${JSON.stringify(module)};
      async function exitCode(...argv) {
        const pid = native.runInHostNamespaces(argv);
        for (;;) {
          const status = native.childStatus(pid);
          if (status !== -11) return status;
          await delay(5);
        }
      }
      const [host, own] = ["/proc/1/ns/mnt", "/proc/self/ns/mnt"].map((link) => readlinkSync(link));
      const inHost = 'test "$(readlink /proc/self/ns/mnt)" = "' + host + '" && exit 7';
      console.log(JSON.stringify({
        apart: host !== own,
        inHost: await exitCode("/bin/sh", "-c", inHost),
        missing: await exitCode("/nonexistent"),
        killed: await exitCode("/bin/sh", "-c", "kill -9 $$"),
      }));`;
    // A process 1 of our own, and a "container" beneath it with another mount namespace.
    const result = spawnSync(
      "unshare",
      [
        "--pid",
        "--fork",
        "--mount",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
        CONTAINER,
        "sh",
      ].concat(process.execPath, script),
      { encoding: "utf8" },
    );
    assert.deepEqual(
      JSON.parse(result.stdout || "null"),
      { apart: true, inHost: 7, missing: 127, killed: 137 },
      result.stderr,
    );
  },
);

const CONTAINER = 'unshare --mount "$1" --input-type=module -e "$2"; exit $?';

test("a child that asked for it dies with its parent", () => {
  const module = new URL("native.ts", import.meta.url).href;
  const script = `
    import { native } from ${JSON.stringify(module)};
    import { readFileSync } from "node:fs";
    console.log(native.setParentDeathSignal(15), native.setParentDeathSignal(-1));`;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  assert.equal(result.stdout.trim(), "0 -22", result.stderr);
});

test("a missing addon says what to do", () => {
  assert.throws(
    () => loadNative("/nonexistent/sys.node"),
    (error: unknown) =>
      error instanceof NativeAddonError &&
      /\/nonexistent\/sys\.node/.test(error.message) &&
      /make setup/.test(error.message),
  );
});
