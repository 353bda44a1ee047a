/**
 * What an agent's disk worker does, on command: one JSON command a line on standard input, one JSON
 * result a line on standard output, I/O through the product's addon, O_DIRECT.
 */
import { constants } from "node:fs";
import { createInterface } from "node:readline";
import { native } from "../../platform/native.ts";

export type DeviceCommand =
  | { readonly op: "read"; readonly offset: number; readonly length: number }
  | {
      readonly op: "write";
      readonly offset: number;
      readonly length: number;
      readonly byte: number;
    }
  | { readonly op: "sync" };

/** `result`: bytes, or -errno. `bytes`: of a read, first and last one. */
export type DeviceResult = { readonly result: number; readonly bytes?: readonly number[] };

const [path = ""] = process.argv.slice(2);
const fd = native.open(path, constants.O_RDWR | constants.O_DIRECT, 0);

function execute(command: DeviceCommand): DeviceResult {
  if (fd < 0) return { result: fd };
  if (command.op === "sync") return { result: native.fdatasync(fd) };
  const { offset, length } = command;
  const buffer = native.alignedBuffer(length);
  if (typeof buffer === "number") return { result: buffer };
  if (command.op === "write") {
    buffer.fill(command.byte);
    return { result: native.pwrite(fd, buffer, 0, length, offset) };
  }
  buffer.fill(0xa5);
  const result = native.pread(fd, buffer, 0, length, offset);
  return { result, bytes: [buffer[0] ?? -1, buffer[length - 1] ?? -1] };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(execute(JSON.parse(line) as DeviceCommand))}\n`);
}
