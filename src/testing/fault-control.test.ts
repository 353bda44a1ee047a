import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createFaultControl, faultEnvironment, type FaultControl } from "./fault-control.ts";
import type { DeviceCommand, DeviceResult } from "./stand-ins/device-client.ts";
import { type LineProcess, runLineProcess } from "./stand-ins/line-process.ts";
import { createVirtualDevice, type VirtualDevice } from "./virtual-device.ts";

const CLIENT = fileURLToPath(new URL("stand-ins/device-client.ts", import.meta.url));
const EIO = -5;
const ENOSPC = -28;
const WITHIN_MS = 20_000;

let directory: string;
let device: VirtualDevice;
let control: FaultControl;
let clients: LineProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sbd-faults-"));
  device = createVirtualDevice({ directory });
  control = createFaultControl(join(directory, "faults"));
  clients = [];
});

afterEach(async () => {
  // A landing that waits for its release holds the device until it gets it.
  control.heal();
  await Promise.all(clients.map((client) => client.kill()));
  await control.until(({ lateQueued, lateLanded }) => lateQueued === lateLanded, WITHIN_MS);
  control.close();
  device.close();
  rmSync(directory, { recursive: true });
});

function client(path = device.path, faulted = path): LineProcess {
  const started = runLineProcess([CLIENT, path], faultEnvironment(control, faulted));
  clients.push(started);
  return started;
}

async function run(on: LineProcess, command: DeviceCommand): Promise<DeviceResult> {
  on.send(command);
  return (await on.next()) as DeviceResult;
}

const write = (byte: number, offset = 0): DeviceCommand => ({
  op: "write",
  offset,
  length: 512,
  byte,
});
const read = (offset = 0): DeviceCommand => ({ op: "read", offset, length: 512 });

async function bytesAt(on: LineProcess, offset = 0): Promise<readonly number[] | undefined> {
  return (await run(on, read(offset))).bytes;
}

test("a healthy device keeps what is written, and every I/O is counted", async () => {
  const agent = client();
  assert.deepEqual(await run(agent, write(7)), { result: 512 });
  assert.deepEqual(await run(agent, { op: "sync" }), { result: 0 });
  assert.deepEqual(await run(agent, read()), { result: 512, bytes: [7, 7] });
  const { read: reads, write: writes, sync } = control.counters();
  const once = { started: 1, finished: 1, hung: 0, failed: 0 };
  assert.deepEqual([reads, writes, sync], [once, once, once]);
});

test("errors come with the errno asked for, in the direction asked for, until healed", async () => {
  const agent = client();
  await run(agent, write(1));
  control.set({ read: { errno: "EIO" }, write: { errno: "ENOSPC" }, sync: { errno: "EIO" } });
  assert.equal((await run(agent, read())).result, EIO);
  assert.equal((await run(agent, write(2))).result, ENOSPC);
  assert.equal((await run(agent, { op: "sync" })).result, EIO);
  assert.equal(control.counters().write.failed, 1);
  control.heal();
  assert.deepEqual(await bytesAt(agent), [1, 1]);
});

test("another machine does not feel the faults of the first", async () => {
  const agent = client();
  const other = createFaultControl(join(directory, "other"));
  const neighbour = runLineProcess([CLIENT, device.path], faultEnvironment(other, device.path));
  clients.push(neighbour);
  control.set({ write: { errno: "EIO" } });
  assert.equal((await run(agent, write(1))).result, EIO);
  assert.equal((await run(neighbour, write(1))).result, 512);
  other.close();
});

test("a range limits a fault to the I/O that touches it", async () => {
  const agent = client();
  control.set({ read: { errno: "EIO", range: { fromByte: 512, toByte: 1024 } } });
  assert.equal((await run(agent, read(0))).result, 512);
  assert.equal((await run(agent, read(512))).result, EIO);
  assert.equal((await run(agent, { op: "read", offset: 0, length: 1024 })).result, EIO);
  assert.equal((await run(agent, read(1024))).result, 512);
});

test("a hang lasts until the faults change, and then goes by the new ones", async () => {
  const agent = client();
  control.set({ write: { hang: true } });
  agent.send(write(1));
  await control.until(({ write: { hung } }) => hung === 1, WITHIN_MS);
  assert.equal(control.counters().write.finished, 0);
  control.set({ write: { errno: "EIO" } });
  assert.equal(((await agent.next()) as DeviceResult).result, EIO);

  control.set({ read: { hang: true } });
  agent.send(read());
  await control.until(({ read: { hung } }) => hung === 1, WITHIN_MS);
  control.heal();
  assert.deepEqual(await agent.next(), { result: 512, bytes: [0, 0] });
});

test("SIGKILL ends a process that hangs", async () => {
  const agent = client();
  control.set({ write: { hang: true } });
  agent.send(write(1));
  await control.until(({ write: { hung } }) => hung === 1, WITHIN_MS);
  await agent.kill();
  control.heal();
  assert.deepEqual(await bytesAt(client()), [0, 0]);
});

test("a delay holds the I/O for at least its time, and then lets it through", async () => {
  const agent = client();
  await run(agent, write(1));
  control.set({ read: { delayMs: 300, jitterMs: 50, seed: 7 } });
  const startMs = performance.now();
  assert.deepEqual(await bytesAt(agent), [1, 1]);
  assert.ok(performance.now() - startMs >= 300);
});

test("a lost write reports success and leaves the old bytes", async () => {
  const agent = client();
  await run(agent, write(1));
  control.set({ write: { lose: true } });
  assert.equal((await run(agent, write(2))).result, 512);
  assert.deepEqual(await bytesAt(agent), [1, 1]);
});

test("a torn write lands only in its first bytes, within one block too", async () => {
  const agent = client();
  await run(agent, write(1));
  control.set({ write: { tornBytes: 100 } });
  assert.equal((await run(agent, write(2))).result, 512);
  assert.deepEqual(await bytesAt(agent), [2, 1]);
  control.set({ write: { tornBytes: 100, errno: "EIO" } });
  assert.equal((await run(agent, write(3))).result, EIO);
  assert.deepEqual(await bytesAt(agent), [3, 1]);
});

test("a late write reported as failed lands over a later successful one", async () => {
  const agent = client();
  control.set({ write: { late: { landAfterMs: "released", report: "error" } } });
  assert.equal((await run(agent, write(1))).result, EIO);
  control.set({
    write: {
      late: { landAfterMs: "released", report: "error" },
      range: { fromByte: 4096, toByte: 8192 },
    },
  });
  assert.equal((await run(agent, write(2))).result, 512);
  assert.deepEqual(await bytesAt(agent), [2, 2]);
  assert.deepEqual([control.counters().lateQueued, control.counters().lateLanded], [1, 0]);
  control.heal();
  await control.until(({ lateLanded }) => lateLanded === 1, WITHIN_MS);
  assert.deepEqual(await bytesAt(agent), [1, 1]);
});

test("a late write outlives the process that asked for it", async () => {
  const agent = client();
  control.set({ write: { late: { landAfterMs: "released", report: "success" } } });
  assert.equal((await run(agent, write(9))).result, 512);
  await agent.kill();
  const neighbour = client();
  assert.deepEqual(await bytesAt(neighbour), [0, 0]);
  control.heal();
  await control.until(({ lateLanded }) => lateLanded === 1, WITHIN_MS);
  assert.deepEqual(await bytesAt(neighbour), [9, 9]);
});

test("a late write with a time lands after that time, and can keep its writer waiting", async () => {
  const agent = client();
  control.set({ write: { late: { landAfterMs: 300, report: "hang" } } });
  const startMs = performance.now();
  assert.equal((await run(agent, write(4))).result, 512);
  assert.ok(performance.now() - startMs >= 300);
  assert.equal(control.counters().lateLanded, 1);
  assert.deepEqual(await bytesAt(agent), [4, 4]);
});

test("blank reads bring zeros and leave the device alone", async () => {
  const agent = client();
  await run(agent, write(1));
  control.set({ read: { blank: true } });
  assert.deepEqual(await bytesAt(agent), [0, 0]);
  control.heal();
  assert.deepEqual(await bytesAt(agent), [1, 1]);
});

test("frozen reads bring the bytes of the moment of the snapshot", async () => {
  const agent = client();
  await run(agent, write(1, 512));
  control.set({ read: { from: control.snapshot(device.path) } });
  await run(agent, write(2, 512));
  assert.deepEqual(await bytesAt(agent, 512), [1, 1]);
  control.heal();
  assert.deepEqual(await bytesAt(agent, 512), [2, 2]);
});

test("in a directory every file is hit, and each is read from the snapshot's of its name", async () => {
  const shared = join(directory, "shared");
  mkdirSync(shared);
  const files = ["sbd-device", "sbd-device-fence"].map((name) => join(shared, name));
  files.forEach((file, index) => writeFileSync(file, Buffer.alloc(4096, index + 1)));
  const agents = files.map((file) => client(file, shared));
  control.set({ read: { from: control.snapshot(shared) } });
  for (const [index, agent] of agents.entries()) {
    await run(agent, write(9));
    assert.deepEqual(await bytesAt(agent), [index + 1, index + 1]);
  }
  control.set({ read: { errno: "EIO" } });
  for (const agent of agents) assert.equal((await run(agent, read())).result, EIO);
});

test("files other than the device are not touched", async () => {
  const file = join(directory, "other-file");
  writeFileSync(file, Buffer.alloc(4096, 3));
  const agent = client(file, device.path);
  control.set({ read: { errno: "EIO" }, write: { errno: "EIO" }, sync: { errno: "EIO" } });
  assert.deepEqual(await bytesAt(agent), [3, 3]);
  assert.equal(control.counters().read.started, 0);
});

test("an update that was begun and never finished changes nothing", async () => {
  const agent = client();
  control.set({ read: { errno: "EIO" } });
  // What a killed writer leaves: the set not in force is rubbish, the generation is the old one.
  const fd = openSync(control.path, "r+");
  writeSync(fd, Buffer.alloc(512, 0xff), 0, 512, 256);
  closeSync(fd);
  assert.equal((await run(agent, read())).result, EIO);
  control.set({ read: { blank: true } });
  assert.deepEqual(await bytesAt(agent), [0, 0]);
});

test("a process whose control file is missing does not run without faults", async () => {
  const lost = { ...faultEnvironment(control, device.path), SBD_FAULT_CONTROL: "/nonexistent" };
  const agent = runLineProcess(["--version"], lost);
  clients.push(agent);
  await assert.rejects(agent.next(), /ended without a line/u);
});
