import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { openHostState } from "../../platform/host-state.ts";
import { temporaryDirectory } from "../../platform/testing/temporary-directory.ts";
import type { BootMemory } from "../agent-config.ts";
import { beginStart } from "./boot-memory.ts";

const BOOT = "8c1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e21";
const NEXT_BOOT = "2b0e3a50-7f53-4f1e-8a55-6d0d35a1c902";
const OWNER = { configUID: "config-1", deviceUUID: "device-1", watchdog: "watchdog0" };
const MARK = { epoch: 7, reason: 1, fencer: "worker-2" };
const NOTHING: BootMemory = {
  mark: null,
  firstRead: null,
  deviceUUID: null,
  uncleanStarts: 0,
  unconfirmedWrite: false,
};

type Open = ReturnType<typeof openHostState>;

/** One agent process after another on the same host. */
function start(directory: string, does: (state: Open) => void, bootID = BOOT) {
  const state = openHostState(bootID, directory);
  const memory = beginStart(state, bootID);
  does(state);
  state.close();
  return memory;
}

test("a start knows what every agent before it has left in this boot, and nothing of the boot before", () => {
  const directory = temporaryDirectory();
  const message = "9:5:1";
  const first = start(directory, (state) => {
    state.claim(OWNER);
    state.recordFirstRead({ messages: [message] });
  });
  assert.deepEqual(first, NOTHING);
  const second = start(directory, (state) => {
    state.recordLatch(MARK);
    state.endInOrder({ unconfirmedWrite: false });
  });
  assert.deepEqual(second, {
    mark: null,
    firstRead: [message],
    deviceUUID: "device-1",
    uncleanStarts: 1,
    unconfirmedWrite: true,
  });
  const third = start(directory, () => undefined);
  assert.deepEqual(third.mark, { bootID: BOOT, ...MARK });
  assert.equal(third.unconfirmedWrite, true, "to the end of the boot");
  assert.deepEqual(
    start(directory, () => undefined, NEXT_BOOT),
    NOTHING,
  );
});

test("an end in order that cannot be recorded leaves its successor unsure of what is in flight", () => {
  const directory = temporaryDirectory();
  start(directory, (state) => {
    const starts = join(directory, "starts.json");
    fs.rmSync(starts);
    fs.mkdirSync(join(starts, "in-the-way"), { recursive: true });
    assert.throws(() => state.endInOrder({ unconfirmedWrite: true }));
    fs.rmSync(starts, { recursive: true });
    fs.writeFileSync(starts, "torn");
  });
  assert.equal(start(directory, () => undefined).unconfirmedWrite, true);
});

test("a mark that cannot be read condemns this boot all the same", () => {
  const directory = temporaryDirectory();
  start(directory, (state) => state.recordLatch(MARK));
  fs.writeFileSync(join(directory, "latch.json"), "torn");
  const { mark } = start(directory, () => undefined);
  assert.deepEqual([mark?.bootID, mark?.epoch], [BOOT, 0]);
});
