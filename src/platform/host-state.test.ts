import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import {
  type HostState,
  HostStateError,
  type HostStateErrorCode,
  openHostState,
} from "./host-state.ts";
import { temporaryDirectory } from "./testing/temporary-directory.ts";

const BOOT = "8c1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e21";
const NEXT_BOOT = "2b0e3a50-7f53-4f1e-8a55-6d0d35a1c902";
const OWNER = { configUID: "config-1", deviceUUID: "device-1", watchdog: "watchdog0" };
const MARK = { epoch: 7, reason: 1, fencer: "worker-2" };

function hasCode(code: HostStateErrorCode) {
  return (error: unknown) => {
    assert.ok(error instanceof HostStateError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

function open(t: TestContext, directory: string, bootID = BOOT): HostState {
  const state = openHostState(bootID, directory);
  t.after(() => state.close());
  return state;
}

/** What a restarted agent finds: the same directory, another process. */
function reopened(t: TestContext, state: HostState, directory: string, bootID = BOOT): HostState {
  state.close();
  return open(t, directory, bootID);
}

test("only one agent has the host, and a killed one leaves it free", (t) => {
  const directory = join(temporaryDirectory(), "made");
  const state = open(t, directory);
  assert.throws(() => openHostState(BOOT, directory), hasCode("LOCKED"));
  const module = new URL("host-state.ts", import.meta.url).href;
  const script = `
    import { openHostState } from ${JSON.stringify(module)};
    openHostState(${JSON.stringify(BOOT)}, ${JSON.stringify(directory)}).recordFirstRead({ messages: [] });
    process.kill(process.pid, "SIGKILL");`;
  const run = () =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.match(run().stderr, /LOCKED/);
  state.close();
  assert.equal(run().signal, "SIGKILL");
  assert.deepEqual(open(t, directory).firstRead(), { messages: [] });
});

test("a latch outlives the process and ends with the boot", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  assert.deepEqual(state.latch(), { kind: "none" });
  state.recordLatch(MARK);
  const restarted = reopened(t, state, directory);
  assert.deepEqual(restarted.latch(), { kind: "latched", mark: MARK });
  restarted.recordLatch({ ...MARK, epoch: 8 });
  assert.deepEqual(restarted.latch(), { kind: "latched", mark: MARK });

  const rebooted = reopened(t, restarted, directory, NEXT_BOOT);
  assert.deepEqual(rebooted.latch(), { kind: "none" });
  assert.ok(!fs.existsSync(join(directory, "latch.json")));
});

test("a latch mark that cannot be read counts as a latch, for nobody can know better", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  for (const content of ["", "{", "[]", "null", `{"bootID":"${BOOT}","epoch":"7"}`]) {
    fs.writeFileSync(join(directory, "latch.json"), content);
    assert.equal(state.latch().kind, "unreadable", content);
  }
});

test("a latch that cannot be written is an error, so that nothing is acknowledged", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  fs.mkdirSync(join(directory, "latch.json.new"));
  assert.throws(() => state.recordLatch(MARK), hasCode("WRITE_FAILED"));
  assert.deepEqual(state.latch(), { kind: "none" });
});

test("a half-written mark of a killed agent is no mark", (t) => {
  const directory = temporaryDirectory();
  fs.writeFileSync(join(directory, "latch.json.new"), '{"bootID"');
  const state = open(t, directory);
  assert.deepEqual(state.latch(), { kind: "none" });
  state.recordLatch(MARK);
  assert.equal(state.latch().kind, "latched");
});

test("the first owner keeps the host for this boot, against config, device and watchdog", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  assert.equal(state.owner(), null);
  state.claim(OWNER);
  state.claim(OWNER);
  for (const other of [
    { ...OWNER, configUID: "config-2" },
    { ...OWNER, deviceUUID: "device-2" },
    { ...OWNER, watchdog: "watchdog1" },
  ]) {
    assert.throws(() => state.claim(other), hasCode("OWNED"));
  }
  assert.deepEqual(state.owner(), OWNER);
  const rebooted = reopened(t, state, directory, NEXT_BOOT);
  assert.equal(rebooted.owner(), null);
  rebooted.claim({ ...OWNER, configUID: "config-2" });
});

test("an owner that left in order makes room for another", (t) => {
  const state = open(t, temporaryDirectory());
  state.claim(OWNER);
  state.disown();
  state.disown();
  state.claim({ ...OWNER, deviceUUID: "device-2" });
  assert.equal(state.owner()?.deviceUUID, "device-2");
});

test("an owner's record that cannot be read lets nobody arm", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  fs.writeFileSync(join(directory, "owner.json"), "{}");
  assert.throws(() => state.claim(OWNER), hasCode("UNAVAILABLE"));
});

test("what stood in the fence slot at the boot's first read is kept, and only that", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  assert.equal(state.firstRead(), null);
  state.recordFirstRead({ messages: ["1/2/3"] });
  state.recordFirstRead({ messages: [] });
  const restarted = reopened(t, state, directory);
  assert.deepEqual(restarted.firstRead(), { messages: ["1/2/3"] });
  assert.equal(reopened(t, restarted, directory, NEXT_BOOT).firstRead(), null);
});

test("unclean starts in a row are counted, by boot, until one ends cleanly", (t) => {
  const directory = temporaryDirectory();
  let state = open(t, directory);
  for (const before of [0, 1, 2]) {
    assert.equal(state.beginStart().uncleanStarts, before);
    state = reopened(t, state, directory);
  }
  state.forgetUncleanStarts();
  assert.equal(state.beginStart().uncleanStarts, 0);
  state = reopened(t, state, directory, NEXT_BOOT);
  assert.equal(state.beginStart().uncleanStarts, 0);
});

test("a count of starts that cannot be read errs towards waiting", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  fs.writeFileSync(join(directory, "starts.json"), "garbage");
  assert.deepEqual(state.beginStart(), { uncleanStarts: 3, unconfirmedWrite: true });
  assert.deepEqual(state.beginStart(), { uncleanStarts: 4, unconfirmedWrite: true });
});

test("a write that may land late is remembered to the end of the boot, whoever ends in order", (t) => {
  const directory = temporaryDirectory();
  let state = open(t, directory);
  assert.equal(state.beginStart().unconfirmedWrite, false);
  state.endInOrder({ unconfirmedWrite: false });
  state = reopened(t, state, directory);
  assert.equal(state.beginStart().unconfirmedWrite, false);
  state.endInOrder({ unconfirmedWrite: true });
  state = reopened(t, state, directory);
  assert.deepEqual(state.beginStart(), { uncleanStarts: 0, unconfirmedWrite: true });
  state = reopened(t, state, directory, NEXT_BOOT);
  assert.equal(state.beginStart().unconfirmedWrite, false);
});

test("an agent that died may have died in a write", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  state.beginStart();
  state.forgetUncleanStarts();
  assert.deepEqual(reopened(t, state, directory).beginStart(), {
    uncleanStarts: 0,
    unconfirmedWrite: true,
  });
});

test("a directory that cannot be had is an error that says what it means", () => {
  assert.throws(() => openHostState(BOOT, "/dev/null/state"), hasCode("UNAVAILABLE"));
  assert.throws(() => openHostState(BOOT, "/dev/null/state"), /does not arm/);
});

test("a closed state is not used again", (t) => {
  const state = open(t, temporaryDirectory());
  state.close();
  assert.throws(() => state.latch(), hasCode("CLOSED"));
});

test("the slot is remembered to the end of the boot, the last one told", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  assert.equal(state.slot(), null);
  state.recordSlot({ nodeID: 3, sbdNode: "config-3" });
  state.recordSlot({ nodeID: 7, sbdNode: "config-7" });
  const next = reopened(t, state, directory);
  assert.deepEqual(next.slot(), { nodeID: 7, sbdNode: "config-7" });
  assert.equal(reopened(t, next, directory, NEXT_BOOT).slot(), null);
});

test("a slot that cannot be read is none, for the API tells it again", (t) => {
  const directory = temporaryDirectory();
  const state = open(t, directory);
  for (const content of ["", "{}", `{"bootID":"${BOOT}","nodeID":0,"sbdNode":"config-0"}`]) {
    fs.writeFileSync(join(directory, "slot.json"), content);
    assert.equal(state.slot(), null);
  }
});
