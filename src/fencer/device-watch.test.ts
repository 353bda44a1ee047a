import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { deviceHeader } from "../agent/scenarios/fake-device.ts";
import { until } from "../kube/testing/until.ts";
import type { DeviceReply, DeviceRequest } from "../platform/device-request.ts";
import type { DiskWorker } from "../platform/disk-worker-handle.ts";
import { hostClock } from "../platform/host-clock.ts";
import type { DeviceHeader, HeaderSlot } from "../protocol/device-header.ts";
import { watchDevice, type DeviceWatch, type DeviceWatchOptions } from "./device-watch.ts";

/** T = 3 s, the shortest that there is, so that M = 3 + 2 × 2 + 2 = 9 s. */
const OURS = deviceHeader(3_000, 2_000, "SelfFence");
const OTHER_UUID = "99999999-dddd-4ddd-8ddd-dddddddddddd";

/** A disk worker that answers as the test says. */
class ScriptedWorker implements DiskWorker {
  header: HeaderSlot = { kind: "header", header: OURS };
  samePath = true;
  failure: string | null = null;
  hangs = false;
  requests = 0;
  readonly #hung: (() => void)[] = [];

  async request<Op extends DeviceRequest["op"]>(
    request: DeviceRequest & { readonly op: Op },
  ): Promise<DeviceReply[Op]> {
    this.requests += 1;
    if (this.hangs) {
      await new Promise<void>((resolve) => this.#hung.push(resolve));
    }
    if (this.failure !== null) {
      throw new Error(this.failure);
    }
    return this.#reply(request.op) as DeviceReply[Op];
  }

  comeBack(): void {
    this.hangs = false;
    for (const answer of this.#hung.splice(0)) answer();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #reply(op: DeviceRequest["op"]): unknown {
    const { header, samePath } = this;
    if (op === "read-pass") {
      return { header, samePath, fence: { kind: "empty" }, heartbeat: { kind: "empty" } };
    }
    const now = hostClock.rawMs();
    const times = { startedRawMs: now, endedRawMs: now, startedLivedMs: now, endedLivedMs: now };
    return {
      heartbeats: new Map(),
      fences: new Map(),
      heartbeatsTimes: times,
      fencesTimes: times,
    };
  }
}

type Watched = {
  readonly worker: ScriptedWorker;
  readonly watch: DeviceWatch;
  readonly others: string[];
  readonly sightings: () => number;
};

const started: ScriptedWorker[] = [];

afterEach(() => {
  // The watch goes on until its process ends; this one is to end.
  for (const worker of started.splice(0)) worker.hangs = true;
});

function watched(
  changes: Partial<DeviceWatchOptions> = {},
  header: HeaderSlot = slotOf({}),
): Watched {
  const worker = new ScriptedWorker();
  worker.header = header;
  started.push(worker);
  const others: string[] = [];
  let sighted = 0;
  const watch = watchDevice({
    worker,
    asked: OURS,
    owner: null,
    agentsDevices: () => new Set([OURS.deviceUUID]),
    sight: () => {
      sighted += 1;
    },
    onOtherDevice: (detail) => void others.push(detail),
    log: () => undefined,
    ...changes,
  });
  return { worker, watch, others, sightings: () => sighted };
}

function slotOf(changes: Partial<DeviceHeader>): HeaderSlot {
  return { kind: "header", header: { ...OURS, ...changes } };
}

test("nobody may write before a good pass; after it the device's contract counts", async () => {
  const { watch, sightings } = watched();
  assert.equal(watch.contract(), null);
  await until("a good pass", () => sightings() > 0);
  assert.equal(watch.contract()?.msgwaitMs, 9_000);
  assert.equal(watch.trouble(), null);
});

test("where no agent has told a device yet any will do; where nobody could ask them, none", async () => {
  const fresh = watched({ agentsDevices: () => new Set() });
  await until("a good pass", () => fresh.watch.contract() !== null);
  const cutOff = watched({ agentsDevices: () => null });
  await until("a pass", () => cutOff.worker.requests > 1);
  assert.match(cutOff.watch.trouble() ?? "", /nobody has told yet/);
  assert.deepEqual([cutOff.watch.contract(), cutOff.sightings()], [null, 0]);
});

for (const [what, changes, trouble] of [
  ["another device than the agents'", { deviceUUID: OTHER_UUID }, /agents work on dddddddd/],
  ["a device with another T", { timeoutMs: 6_000 }, /initialised with T = 6 s/],
] as const) {
  test(`${what} is neither written to nor judged by`, async () => {
    const { worker, watch, sightings } = watched({}, slotOf(changes));
    await until("a pass", () => worker.requests > 1);
    assert.match(watch.trouble() ?? "", trouble);
    assert.deepEqual([watch.contract(), sightings()], [null, 0]);
  });
}

test("a device that is another one by now ends the watch: what was seen says nothing about it", async () => {
  for (const change of [{ deviceUUID: OTHER_UUID }, { generation: 2 }]) {
    const { worker, watch, others } = watched({ agentsDevices: () => new Set() });
    await until("a good pass", () => watch.contract() !== null);
    worker.header = slotOf(change);
    await until("the end", () => others.length > 0);
    const { requests } = worker;
    assert.equal(watch.contract(), null);
    assert.match(others.join(), /not ours|initialised again/);
    assert.equal(worker.requests, requests);
  }
});

test("a path that leads elsewhere ends the watch", async () => {
  const { worker, watch, others } = watched();
  await until("a good pass", () => watch.contract() !== null);
  worker.samePath = false;
  await until("the end", () => others.length > 0);
  assert.equal(watch.contract(), null);
});

test("a header that cannot be read is waited for, and nobody writes meanwhile for longer than T", async () => {
  const { worker, watch, others, sightings } = watched();
  await until("a good pass", () => watch.contract() !== null);
  worker.header = { kind: "empty" };
  await until("its end", () => watch.contract() === null);
  const before = sightings();
  assert.match(watch.trouble() ?? "", /blank/);
  assert.deepEqual(others, []);
  worker.header = slotOf({});
  await until("it is back", () => watch.contract() !== null);
  assert.ok(sightings() > before);
});

test("a device that hangs loses its contract T after the start of the last good pass", async () => {
  const { worker, watch } = watched();
  await until("a good pass", () => watch.contract() !== null);
  worker.hangs = true;
  await until("its end", () => watch.contract() === null);
  assert.match(watch.trouble() ?? "", /no good pass for T/);
  worker.comeBack();
  await until("it is back", () => watch.contract() !== null);
  assert.equal(watch.trouble(), null);
});

test("passes that fail are counted and said", async () => {
  const { worker, watch } = watched();
  worker.failure = "EIO";
  await until("two", () => watch.ioErrors > 1);
  assert.equal(watch.trouble(), "EIO");
});
