import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { SharedDisk } from "./shared-disk.ts";
import type { DiskPort } from "./shared-disk.ts";

const EIO = 5;

/** As much of an NBD client as these tests need, written from the protocol, not from the server. */
class Client {
  readonly #socket: Socket;
  #buffered = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on("data", (chunk) => {
      this.#buffered = Buffer.concat([this.#buffered, chunk]);
      this.#wake();
    });
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#buffered.length < bytes) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#buffered.subarray(0, bytes);
    this.#buffered = this.#buffered.subarray(bytes);
    return taken;
  }

  /** Negotiates and returns the size of the export. */
  async open(): Promise<number> {
    assert.equal((await this.take(18)).toString("latin1", 0, 16), "NBDMAGICIHAVEOPT");
    this.#socket.write(Buffer.from([0, 0, 0, 3]));
    // An option the server does not know must be refused, not fatal.
    await this.#option(8, Buffer.alloc(0));
    const refusal = await this.#optionReply();
    assert.equal(refusal.type >>> 31, 1);
    await this.#option(7, Buffer.alloc(6));
    let size = 0;
    for (;;) {
      const { type, data } = await this.#optionReply();
      if (type === 1) return size;
      if (data.readUInt16BE(0) === 0) size = Number(data.readBigUInt64BE(2));
    }
  }

  send(type: number, cookie: number, offset: number, lengthOrData: number | Buffer): void {
    const data = typeof lengthOrData === "number" ? Buffer.alloc(0) : lengthOrData;
    const head = Buffer.alloc(28);
    head.writeUInt32BE(0x25609513, 0);
    head.writeUInt16BE(type, 6);
    head.writeBigUInt64BE(BigInt(cookie), 8);
    head.writeBigUInt64BE(BigInt(offset), 16);
    head.writeUInt32BE(typeof lengthOrData === "number" ? lengthOrData : data.length, 24);
    this.#socket.write(Buffer.concat([head, data]));
  }

  async reply(): Promise<{ cookie: number; error: number }> {
    const head = await this.take(16);
    assert.equal(head.readUInt32BE(0), 0x67446698);
    return { cookie: Number(head.readBigUInt64BE(8)), error: head.readUInt32BE(4) };
  }

  async write(offset: number, text: string): Promise<number> {
    this.send(1, 1, offset, Buffer.from(text));
    return (await this.reply()).error;
  }

  async read(offset: number, length: number): Promise<string | number> {
    this.send(0, 2, offset, length);
    const { error } = await this.reply();
    return error === 0 ? (await this.take(length)).toString("latin1") : error;
  }

  async flush(): Promise<number> {
    this.send(3, 3, 0, 0);
    return (await this.reply()).error;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #option(option: number, data: Buffer): Promise<void> {
    const head = Buffer.alloc(16);
    head.write("IHAVEOPT");
    head.writeUInt32BE(option, 8);
    head.writeUInt32BE(data.length, 12);
    this.#socket.write(Buffer.concat([head, data]));
    await Promise.resolve();
  }

  async #optionReply(): Promise<{ type: number; data: Buffer }> {
    const head = await this.take(20);
    return { type: head.readUInt32BE(12), data: await this.take(head.readUInt32BE(16)) };
  }
}

async function twoGuests(t: TestContext): Promise<{
  disk: SharedDisk;
  ports: [DiskPort, DiskPort];
  clients: [Client, Client];
}> {
  const folder = mkdtempSync(join(tmpdir(), "disk-"));
  const disk = new SharedDisk(join(folder, "disk.img"), 1 << 20);
  const ports: [DiskPort, DiskPort] = [
    await disk.open("a", join(folder, "a.sock")),
    await disk.open("b", join(folder, "b.sock")),
  ];
  const clients: [Client, Client] = [
    new Client(ports[0].socketPath),
    new Client(ports[1].socketPath),
  ];
  t.after(() => {
    for (const client of clients) client.close();
    disk.close();
    rmSync(folder, { recursive: true });
  });
  for (const client of clients) assert.equal(await client.open(), 1 << 20);
  return { disk, ports, clients };
}

test("what one guest writes, the other reads, and the listener hears", async (t) => {
  const { disk, clients } = await twoGuests(t);
  const heard: string[] = [];
  disk.onWrite((write) => heard.push(`${write.port} ${write.offset} ${write.data.toString()}`));
  assert.equal(await clients[0].write(4096, "hello"), 0);
  assert.equal(await clients[0].flush(), 0);
  assert.equal(await clients[1].read(4096, 5), "hello");
  assert.deepEqual(heard, ["a 4096 hello"]);
});

test("an error hits one guest, one direction and one range only", async (t) => {
  const { ports, clients } = await twoGuests(t);
  ports[0].inject({
    operations: "writes",
    range: { fromByte: 512, toByte: 1024 },
    effect: { kind: "eio" },
  });
  assert.equal(await clients[0].write(600, "x"), EIO);
  assert.equal(await clients[0].write(1023, "x"), EIO);
  assert.equal(await clients[0].write(1024, "y"), 0);
  assert.equal(await clients[0].write(510, "xy"), 0);
  assert.equal(await clients[0].read(600, 1), "\0");
  assert.equal(await clients[1].write(600, "z"), 0);
});

test("a hung request is held, others pass it, and healing lands it", async (t) => {
  const { disk, ports, clients } = await twoGuests(t);
  ports[0].inject({
    operations: "writes",
    range: { fromByte: 0, toByte: 512 },
    effect: { kind: "hang" },
  });
  clients[0].send(1, 7, 0, Buffer.from("held"));
  assert.equal(await clients[0].read(512, 1), "\0");
  assert.equal(ports[0].unanswered, 1);
  assert.equal(disk.read(0, 4).toString(), "\0\0\0\0");
  ports[0].heal();
  assert.deepEqual(await clients[0].reply(), { cookie: 7, error: 0 });
  assert.equal(await clients[1].read(0, 4), "held");
});

test("a held write whose owner died lands when healed, unless it is discarded", async (t) => {
  const { disk, ports, clients } = await twoGuests(t);
  for (const [port, client] of [
    [ports[0], clients[0]],
    [ports[1], clients[1]],
  ] as const) {
    port.inject({ operations: "all", effect: { kind: "hang" } });
    client.send(1, 7, port === ports[0] ? 0 : 512, Buffer.from("late"));
    client.send(3, 8, 0, 0);
  }
  // Both requests of each have arrived once a third one is answered.
  while (ports[0].unanswered + ports[1].unanswered < 4) await new Promise(setImmediate);
  ports[0].failHeld();
  ports[1].discardHeld();
  for (const client of clients) {
    assert.deepEqual(await client.reply(), { cookie: 7, error: EIO });
    assert.deepEqual(await client.reply(), { cookie: 8, error: EIO });
  }
  assert.equal(disk.read(0, 4).toString(), "\0\0\0\0");
  ports[0].heal();
  ports[1].heal();
  assert.equal(disk.read(0, 4).toString(), "late");
  assert.equal(disk.read(512, 4).toString(), "\0\0\0\0");
});

test("writes can be lost, torn, late and delayed", async (t) => {
  const { disk, ports, clients } = await twoGuests(t);
  const [port] = ports;
  const [client] = clients;
  port.inject({ operations: "writes", effect: { kind: "lost" } });
  assert.equal(await client.write(0, "lost"), 0);
  assert.equal(await client.read(0, 4), "\0\0\0\0");
  port.inject({ operations: "writes", effect: { kind: "torn", bytes: 2 } });
  assert.equal(await client.write(0, "torn"), EIO);
  assert.equal(await client.read(0, 4), "to\0\0");
  port.inject({ operations: "writes", effect: { kind: "late", ms: 300 } });
  const landed = new Promise<string>((resolve) => {
    disk.onWrite((write) => {
      resolve(write.data.toString());
    });
  });
  assert.equal(await client.write(0, "late"), EIO);
  assert.equal(disk.read(0, 4).toString(), "to\0\0");
  assert.equal(await landed, "late");
  port.inject({ operations: "all", effect: { kind: "delay", ms: 30 } });
  const startedMs = performance.now();
  assert.equal(await client.write(0, "slow"), 0);
  assert.ok(performance.now() - startedMs > 28);
  port.heal();
  assert.equal(await client.read(0, 4), "slow");
});
