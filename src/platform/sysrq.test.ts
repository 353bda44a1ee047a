import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { openSysrq, SysrqError } from "./sysrq.ts";
import { hostTree } from "./testing/temporary-directory.ts";

const TRIGGER = "proc/sysrq-trigger";
const MASK = "proc/sys/kernel/sysrq";

test("a reboot is one b to the trigger", () => {
  const root = hostTree({ [TRIGGER]: "", [MASK]: "1\n" });
  const sysrq = openSysrq(root);
  assert.equal(fs.readFileSync(join(root, TRIGGER), "utf8"), "");
  sysrq.reboot();
  assert.equal(fs.readFileSync(join(root, TRIGGER), "utf8"), "b");
  sysrq.close();
  assert.throws(
    () => sysrq.reboot(),
    (error: unknown) => error instanceof SysrqError && error.code === "CLOSED",
  );
});

test("the reboot bit is added to the mask and the others are kept", () => {
  const root = hostTree({ [TRIGGER]: "", [MASK]: "16\n" });
  const sysrq = openSysrq(root);
  assert.deepEqual(sysrq.mask, { kind: "enabled", before: 16, value: 144 });
  assert.equal(fs.readFileSync(join(root, MASK), "utf8"), "144\n");
  sysrq.close();
});

test("a mask that allows reboots is left alone", () => {
  for (const mask of ["1", "128", "438"]) {
    const root = hostTree({ [TRIGGER]: "", [MASK]: mask });
    const sysrq = openSysrq(root);
    assert.deepEqual(sysrq.mask, { kind: "already-enabled", value: Number(mask) });
    assert.equal(fs.readFileSync(join(root, MASK), "utf8"), mask);
    sysrq.close();
  }
});

test("a mask that cannot be set is reported, and the trigger is usable all the same", () => {
  for (const tree of [{ [TRIGGER]: "" }, { [TRIGGER]: "", [MASK]: "off" }]) {
    const sysrq = openSysrq(hostTree(tree));
    assert.equal(sysrq.mask.kind, "refused");
    sysrq.reboot();
    sysrq.close();
  }
});

test("no trigger is an error at start, not when the node must die", () => {
  assert.throws(
    () => openSysrq(hostTree({})),
    (error: unknown) => error instanceof SysrqError && error.code === "TRIGGER_UNAVAILABLE",
  );
});

test("a trigger that takes no command says that the watchdog is what is left", () => {
  const root = hostTree({ [TRIGGER]: { link: "/dev/full" } });
  const sysrq = openSysrq(root);
  assert.throws(
    () => sysrq.reboot(),
    (error: unknown) =>
      error instanceof SysrqError &&
      error.code === "WRITE_FAILED" &&
      /ENOSPC.*watchdog/.test(error.message),
  );
  sysrq.close();
});
