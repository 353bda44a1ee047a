import { createServer } from "node:net";
import type { Socket } from "node:net";

/** Linux's EIO, the one error this server answers with. */
const EIO = 5;

/** A request as the exported disk sees it. `done` is called once, whenever that may be. */
export type NbdRequest =
  | {
      readonly kind: "read";
      readonly offset: number;
      readonly length: number;
      readonly done: (data: Buffer | "EIO") => void;
    }
  | {
      readonly kind: "write";
      readonly offset: number;
      readonly data: Buffer;
      readonly done: (result: "ok" | "EIO") => void;
    }
  | { readonly kind: "flush"; readonly done: (result: "ok" | "EIO") => void };

/** A listening server; `close` also ends its conversations. */
export type NbdServer = { readonly close: () => void };

const NBDMAGIC = Buffer.from("NBDMAGIC");
const IHAVEOPT = Buffer.from("IHAVEOPT");
const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const REPLY_MAGIC = 0x67446698;
const OPTION_ABORT = 2;
const OPTION_GO = 7;
const REPLY_ACK = 1;
const REPLY_INFO = 3;
const REPLY_UNSUPPORTED = 0x80000001;
const INFO_EXPORT = 0;
const INFO_BLOCK_SIZE = 3;
/** HAS_FLAGS, SEND_FLUSH, SEND_FUA. Writes are applied in order, so FUA and flush are free. */
const EXPORT_FLAGS = 1 | 4 | 8;
const LONGEST_REQUEST_BYTES = 32 << 20;

/**
 * Serves one disk of `sizeBytes` on a Unix socket, to one client at a time, in the fixed newstyle of
 * the NBD protocol (doc/proto.md of NetworkBlockDevice/nbd). Requests arrive at `handle` in the
 * order they were sent; answers go out in the order `done` is called.
 */
export async function serveNbd(
  path: string,
  sizeBytes: number,
  handle: (request: NbdRequest) => void,
): Promise<NbdServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    const conversation = converse(socket, sizeBytes, handle);
    let pending = Buffer.alloc(0);
    let state = conversation.next();
    let needed = state.value ?? 0;
    socket.on("data", (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (state.done !== true && pending.length >= needed) {
        const part = pending.subarray(0, needed);
        pending = pending.subarray(needed);
        state = conversation.next(part);
        needed = state.value ?? 0;
      }
      if (state.done === true) socket.end();
    });
    // The emulator going away mid-request is part of the trade here.
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** One client's conversation: yields how many bytes it needs next and is given exactly those. */
function* converse(
  socket: Socket,
  sizeBytes: number,
  handle: (request: NbdRequest) => void,
): Generator<number, void, Buffer> {
  const answer = (bytes: Buffer): void => {
    if (!socket.destroyed) socket.write(bytes);
  };
  answer(Buffer.concat([NBDMAGIC, IHAVEOPT, Buffer.from([0, 1 | 2])]));
  yield 4;
  for (;;) {
    const head = yield 16;
    const option = head.readUInt32BE(8);
    yield head.readUInt32BE(12);
    if (option === OPTION_ABORT) {
      answer(optionReply(option, REPLY_ACK, Buffer.alloc(0)));
      return;
    }
    if (option === OPTION_GO) {
      answer(optionReply(option, REPLY_INFO, exportInfo(sizeBytes)));
      answer(optionReply(option, REPLY_INFO, blockSizeInfo()));
      answer(optionReply(option, REPLY_ACK, Buffer.alloc(0)));
      break;
    }
    answer(optionReply(option, REPLY_UNSUPPORTED, Buffer.alloc(0)));
  }
  for (;;) {
    const head = yield 28;
    const type = head.readUInt16BE(6);
    const cookie = Buffer.from(head.subarray(8, 16));
    const offset = Number(head.readBigUInt64BE(16));
    const length = head.readUInt32BE(24);
    const isData = type === 0 || type === 1;
    if (
      head.readUInt32BE(0) !== REQUEST_MAGIC ||
      (isData && (length > LONGEST_REQUEST_BYTES || offset + length > sizeBytes))
    ) {
      socket.destroy();
      return;
    }
    switch (type) {
      case 0:
        handle({
          kind: "read",
          offset,
          length,
          done: (data) => {
            if (data === "EIO") answer(reply(cookie, EIO));
            else answer(Buffer.concat([reply(cookie, 0), data]));
          },
        });
        break;
      case 1: {
        const data = Buffer.from(yield length);
        handle({
          kind: "write",
          offset,
          data,
          done: (result) => {
            answer(reply(cookie, result === "EIO" ? EIO : 0));
          },
        });
        break;
      }
      case 2:
        socket.destroy();
        return;
      case 3:
        handle({
          kind: "flush",
          done: (result) => {
            answer(reply(cookie, result === "EIO" ? EIO : 0));
          },
        });
        break;
      default:
        answer(reply(cookie, EIO));
    }
  }
}

function optionReply(option: number, type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
}

function exportInfo(sizeBytes: number): Buffer {
  const info = Buffer.alloc(12);
  info.writeUInt16BE(INFO_EXPORT, 0);
  info.writeBigUInt64BE(BigInt(sizeBytes), 2);
  info.writeUInt16BE(EXPORT_FLAGS, 10);
  return info;
}

function blockSizeInfo(): Buffer {
  const info = Buffer.alloc(14);
  info.writeUInt16BE(INFO_BLOCK_SIZE, 0);
  info.writeUInt32BE(512, 2);
  info.writeUInt32BE(4096, 6);
  info.writeUInt32BE(LONGEST_REQUEST_BYTES, 10);
  return info;
}

function reply(cookie: Buffer, error: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(REPLY_MAGIC, 0);
  head.writeUInt32BE(error, 4);
  return Buffer.concat([head, cookie]);
}
