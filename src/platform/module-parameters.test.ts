import assert from "node:assert/strict";
import { test } from "node:test";

import { readModuleParameters } from "./module-parameters.ts";
import { hostTree } from "./testing/temporary-directory.ts";

test("parameters are found in sysfs, on the kernel command line and in modprobe.d, in that order", () => {
  const root = hostTree({
    "sys/module/softdog/parameters/soft_margin": "60\n",
    "proc/cmdline": "quiet softdog.soft_margin=10 softdog.soft_noboot=1 iTCO_wdt.nowayout=1\n",
    "etc/modprobe.d/watchdog.conf":
      "# a comment\noptions softdog soft_noboot=0 soft_panic=1\noptions other soft_panic=9\n",
    "usr/lib/modprobe.d/vendor.conf": "options softdog soft_panic=0 soft_reboot_cmd=/bin/reboot\n",
    "etc/modprobe.d/ignored.txt": "options softdog soft_panic=7\n",
  });
  assert.deepEqual(readModuleParameters("softdog", root), {
    soft_margin: "60",
    soft_noboot: "1",
    soft_panic: "1",
    soft_reboot_cmd: "/bin/reboot",
  });
});

test("dashes and underscores in a module's name are the same", () => {
  const root = hostTree({ "proc/cmdline": "sp5100-tco.nowayout=1" });
  assert.deepEqual(readModuleParameters("sp5100_tco", root), { nowayout: "1" });
});

test("a module that shows nothing has no known parameters", () => {
  assert.deepEqual(readModuleParameters("softdog", hostTree({})), {});
});
