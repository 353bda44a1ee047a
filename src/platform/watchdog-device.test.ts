import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ByteLog } from "./testing/byte-log.ts";
import { platformModule, runPreloaded } from "./testing/preloaded.ts";
import { hostTree, temporaryDirectory } from "./testing/temporary-directory.ts";
import { openWatchdog } from "./watchdog-device.ts";
import { WatchdogError, type WatchdogErrorCode } from "./watchdog-error.ts";

function hasCode(code: WatchdogErrorCode) {
  return (error: unknown) => {
    assert.ok(error instanceof WatchdogError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** A FIFO, and what is written to it. */
function virtualWatchdog(t: TestContext): { path: string; log: ByteLog } {
  const path = join(temporaryDirectory(), "watchdog");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  const cat = spawn("cat", [path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => cat.kill("SIGKILL"));
  return { path, log: new ByteLog(cat.stdout) };
}

test("opening and closing write nothing: only a release disarms", async (t) => {
  const { path, log } = virtualWatchdog(t);
  const watchdog = openWatchdog(path);
  watchdog.closeWithoutRelease();
  watchdog.closeWithoutRelease();
  await log.ended;
  assert.equal(log.text, "");
  assert.equal(watchdog.fd, -1);
});

test("a release is a V as the last byte before the close", async (t) => {
  const { path, log } = virtualWatchdog(t);
  const watchdog = openWatchdog(path);
  watchdog.release();
  await log.ended;
  assert.equal(log.text, "V");
  assert.throws(() => watchdog.release(), hasCode("CLOSED"));
  assert.throws(() => watchdog.setTimeout(10), hasCode("CLOSED"));
});

test("a release that the driver does not take leaves the watchdog open and says so", () => {
  const watchdog = openWatchdog("/dev/full");
  assert.throws(() => watchdog.release(), hasCode("RELEASE_FAILED"));
  assert.ok(watchdog.fd >= 0);
  watchdog.closeWithoutRelease();
});

test("no release while the petter runs: its next pet would arm the watchdog again", () => {
  const script = `
    import { openWatchdog } from ${JSON.stringify(platformModule("watchdog-device.ts"))};
    import { startPetter, stopPetter } from ${JSON.stringify(platformModule("petter.ts"))};
    import { native } from ${JSON.stringify(platformModule("native.ts"))};
    const watchdog = openWatchdog("/dev/null");
    startPetter({ watchdogFd: watchdog.fd, sysrqFd: -1, periodMs: 1000, deadlineNs: native.livedNs() + 10n ** 11n });
    try { watchdog.release(); } catch (error) { console.log(error.code, watchdog.fd >= 0); }
    stopPetter();
    watchdog.release();
    console.log(watchdog.fd);`;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  assert.equal(result.stdout, "PETTER_RUNNING true\n-1\n", result.stderr);
});

test("requests that a driver does not know are told apart from failures", () => {
  const watchdog = openWatchdog("/dev/null");
  assert.throws(() => watchdog.setTimeout(10), hasCode("NOT_SUPPORTED"));
  assert.throws(() => watchdog.getTimeout(), hasCode("NOT_SUPPORTED"));
  assert.throws(() => watchdog.getTimeleft(), hasCode("NOT_SUPPORTED"));
  assert.throws(() => watchdog.getSupport(), hasCode("NOT_SUPPORTED"));
  assert.throws(() => watchdog.getBootStatus(), hasCode("NOT_SUPPORTED"));
  watchdog.closeWithoutRelease();
});

test("no watchdog is an error that says what it means", () => {
  assert.throws(() => openWatchdog("/nonexistent/watchdog"), hasCode("NOT_FOUND"));
  assert.throws(() => openWatchdog("/nonexistent/watchdog"), /not protected/);
});

/** A driver that rounds its timeout up to 16 s, knows no time left and no more than 100 s. */
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
  if (request == WDIOC_SETTIMEOUT) {
    int *seconds = argument;
    if (*seconds > 100) { errno = EINVAL; return -1; }
    *seconds = 16;
    return 0;
  }
  if (request == WDIOC_GETTIMEOUT) { *(int *)argument = 16; return 0; }
  if (request == WDIOC_GETBOOTSTATUS) { *(int *)argument = WDIOF_CARDRESET; return 0; }
  if (request == WDIOC_GETSUPPORT) {
    struct watchdog_info *info = argument;
    memset(info, 0, sizeof *info);
    info->options = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE;
    info->firmware_version = 7;
    memset(info->identity, 'x', sizeof info->identity);
    return 0;
  }
  errno = ENOTTY;
  return -1;
}`;

test("the driver's own word is returned: its rounded timeout, its refusal, its unterminated name", () => {
  const output = runPreloaded(
    DRIVER,
    `import { openWatchdog } from ${JSON.stringify(platformModule("watchdog-device.ts"))};
     const watchdog = openWatchdog("/dev/null");
     const codeOf = (call: () => unknown) => { try { return call(); } catch (error) { return (error as any).code; } };
     console.log(JSON.stringify([
       watchdog.setTimeout(10), watchdog.getTimeout(), watchdog.getBootStatus(),
       watchdog.getSupport(), codeOf(() => watchdog.setTimeout(101)), codeOf(() => watchdog.getTimeleft()),
     ]));`,
  );
  assert.deepEqual(JSON.parse(output), [
    16,
    16,
    0x20,
    { options: 0x180, firmwareVersion: 7, identity: "x".repeat(32) },
    "TIMEOUT_REFUSED",
    "NOT_SUPPORTED",
  ]);
});

const BUSY = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
int open(const char *path, int flags, ...) {
  va_list list; va_start(list, flags); int mode = va_arg(list, int); va_end(list);
  if (strcmp(path, "/dev/watchdog") == 0) { errno = EBUSY; return -1; }
  return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}`;

test("a watchdog that another process holds names that process", () => {
  const root = hostTree({ "proc/1/comm": "systemd\n", "proc/1/fd/9": { link: "/dev/watchdog0" } });
  const output = runPreloaded(
    BUSY,
    `import { openWatchdog } from ${JSON.stringify(platformModule("watchdog-device.ts"))};
     for (const root of ${JSON.stringify([root, hostTree({})])}) {
       try { openWatchdog("/dev/watchdog", root); } catch (error) { console.log((error as any).code, (error as any).message); }
     }`,
  );
  const [held, unseen] = output.split("\n");
  assert.match(held ?? "", /^BUSY .*process 1 \(systemd\)/);
  assert.match(unseen ?? "", /^BUSY .*cannot be seen/);
});
