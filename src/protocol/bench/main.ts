/**
 * Speed of the wire format: `npm run bench`. One JSON line per operation,
 * `{"name","nsPerOp","bytesPerOp"}`; the operations that must not allocate end in `-hot`.
 *
 * The machine is assumed to be noisy. An operation is timed in several batches, and the fastest is
 * reported: noise only ever adds. Bytes are what the heap and its array buffers grew by over many
 * operations, with a collection before and none fitting in between, the smallest of several
 * measurements for the same reason, rounded to whole bytes. An object that the compiler proves to
 * be short-lived costs no bytes, here as in production.
 */
import { calculateChecksum } from "../crc32.ts";
import { decodeDeviceHeader, encodeDeviceHeader } from "../device-header.ts";
import { decodeFenceSlot, encodeFenceRecord } from "../fence-record.ts";
import { decodeHeartbeatSlot, encodeHeartbeatRecord } from "../heartbeat-record.ts";
import { HotMessage } from "../hot-message.ts";
import {
  marshal,
  marshalFence,
  newFence,
  newHeartbeat,
  unmarshal,
  unmarshalFence,
} from "../message.ts";
import { SlotMemory } from "../slot-memory.ts";
import { DEVICE, FENCE, HEARTBEAT } from "./samples.ts";

const BATCHES = 40;
const BATCH_MS = 20;
const BYTES_ROUNDS = 5;
// Few enough that what they leave behind stays below V8's young generation; an operation that leaves
// next to nothing is done more often, so that the measurement's own few hundred bytes round to 0.
const BYTES_OPERATIONS_FEW = 500;
const BYTES_OPERATIONS_MANY = 20_000;
const BYTES_NEXT_TO_NOTHING = 16;

/** Does the operation so many times, and returns something that depends on every result. */
type Run = (count: number) => number;

const clock = () => 1_780_000_000_123_456_789n;

function* operations(): Generator<[name: string, run: Run]> {
  const header = newHeartbeat(7, 42n, clock);
  const headerBytes = marshal(header);
  const fence = { header: newFence(1, 2, 200n, 1, clock), targetNodeID: 2, reason: 1 };
  const sequences = Array.from({ length: 256 }, (_, i) => 2n ** 40n + BigInt(i));

  yield [
    "marshal",
    (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        header.sequence = sequences[i & 0xff]!;
        sum += marshal(header)[29]!;
      }
      return sum;
    },
  ];
  yield [
    "unmarshal",
    (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const read = unmarshal(headerBytes);
        sum += read.nodeID + Number(read.sequence & 0xffn);
      }
      return sum;
    },
  ];
  yield [
    "round-trip",
    (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        header.sequence = sequences[i & 0xff]!;
        const read = unmarshal(marshal(header));
        if (read.sequence !== header.sequence) throw new Error("The header came back changed");
        sum += read.checksum & 1;
      }
      return sum;
    },
  ];
  yield [
    "fence-round-trip",
    (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        fence.header.sequence = sequences[i & 0xff]!;
        const read = unmarshalFence(marshalFence(fence));
        if (read.header.sequence !== fence.header.sequence) {
          throw new Error("The fence message came back changed");
        }
        sum += read.targetNodeID + read.reason;
      }
      return sum;
    },
  ];
  yield [
    "checksum-29",
    (count) => {
      const bytes = headerBytes.slice(0, 29);
      let sum = 0;
      for (let i = 0; i < count; i++) {
        bytes[21] = i;
        sum ^= calculateChecksum(bytes);
      }
      return sum;
    },
  ];

  yield* hotOperations();

  const heartbeatBytes = encodeHeartbeatRecord(HEARTBEAT, 512);
  const fenceBytes = encodeFenceRecord(FENCE, 512);
  const deviceBytes = encodeDeviceHeader(DEVICE, 512);
  const records: [string, (sequence: number) => number][] = [
    [
      "heartbeat-record-encode",
      (i) => encodeHeartbeatRecord({ ...HEARTBEAT, sequence: i }, 512)[508]!,
    ],
    ["heartbeat-record-decode", () => decodeHeartbeatSlot(heartbeatBytes, 7).kind.length],
    ["fence-record-encode", (i) => encodeFenceRecord({ ...FENCE, sequence: i }, 512)[508]!],
    ["fence-record-decode", () => decodeFenceSlot(fenceBytes, 2).kind.length],
    [
      "device-header-encode",
      (i) => encodeDeviceHeader({ ...DEVICE, generation: i + 1 }, 512)[508]!,
    ],
    ["device-header-decode", () => decodeDeviceHeader(deviceBytes).kind.length],
  ];
  for (const [name, operate] of records) yield [name, (count) => each(count, operate)];

  yield* regionOperations();
}

/** What a pass does with a whole region of 255 slots of 512 bytes: nothing moved, or every heartbeat did. */
function* regionOperations(): Generator<[name: string, run: Run]> {
  const stride = 512;
  const heartbeats = [0, 1].map((sequence) =>
    regionOf(stride, (nodeID) =>
      encodeHeartbeatRecord(
        { ...HEARTBEAT, nodeID, nodeName: `worker-${nodeID}`, sequence },
        stride,
      ),
    ),
  );
  const fences = [0, 1].map((sequence) =>
    regionOf(stride, (nodeID) =>
      encodeFenceRecord({ ...FENCE, targetNodeID: nodeID, sequence }, stride),
    ),
  );
  const cases: [string, (bytes: Uint8Array) => number, Uint8Array[]][] = [
    ["heartbeat-region-255", readingOf(decodeHeartbeatSlot, stride), heartbeats],
    ["fence-region-255", readingOf(decodeFenceSlot, stride), fences],
  ];
  for (const [name, read, [one, other]] of cases) {
    const copies = [one!, one!.slice()];
    yield [`${name}-unchanged`, (count) => each(count, (i) => read(copies[i & 1]!))];
    const moved = [one!, other!];
    yield [`${name}-changed`, (count) => each(count, (i) => read(moved[i & 1]!))];
  }
}

function regionOf(stride: number, encode: (nodeID: number) => Uint8Array): Uint8Array {
  const bytes = new Uint8Array(256 * stride);
  for (let nodeID = 1; nodeID <= 255; nodeID++) bytes.set(encode(nodeID), nodeID * stride);
  return bytes;
}

function readingOf(
  decode: (bytes: Uint8Array, nodeID: number) => { readonly kind: string },
  stride: number,
): (bytes: Uint8Array) => number {
  const memory = new SlotMemory(decode);
  return (bytes) => memory.read(bytes, stride).size;
}

function each(count: number, operate: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += operate(i);
  return sum;
}

/** The sequences lie beyond 32 bits and the timestamps change, as in production. */
function* hotOperations(): Generator<[name: string, run: Run]> {
  const slot = new Uint8Array(512);
  const message = new HotMessage(slot);
  message.nodeID = 7;
  message.targetNodeID = 2;
  message.reason = 1;
  message.setTimestampMs(1_780_000_000_123);

  yield [
    "marshal-hot",
    (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        message.sequence = 2 ** 40 + i;
        message.timestampLow = (i * 0x9e3779b1) >>> 0;
        message.encodeHeartbeat();
        sum += slot[29]!;
      }
      return sum;
    },
  ];
  yield [
    "unmarshal-hot",
    (count) => {
      let sum = 0;
      message.encodeHeartbeat();
      for (let i = 0; i < count; i++) {
        if (message.decodeHeartbeat() !== "OK") throw new Error("The heartbeat was refused");
        sum += message.sequence;
      }
      return sum;
    },
  ];
  yield [
    "round-trip-hot",
    (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        message.sequence = 2 ** 40 + i;
        message.timestampLow = (i * 0x9e3779b1) >>> 0;
        message.encodeHeartbeat();
        if (message.decodeHeartbeat() !== "OK" || message.sequence !== 2 ** 40 + i) {
          throw new Error("The heartbeat came back changed");
        }
        sum += message.timestampLow;
      }
      return sum;
    },
  ];
  yield [
    "fence-round-trip-hot",
    (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        message.sequence = 2 ** 40 + i;
        message.timestampLow = (i * 0x9e3779b1) >>> 0;
        message.encodeFence();
        if (message.decodeFence() !== "OK" || message.sequence !== 2 ** 40 + i) {
          throw new Error("The fence message came back changed");
        }
        sum += message.timestampLow + message.reason;
      }
      return sum;
    },
  ];
}

/** Operations that take about `BATCH_MS`, found by doubling, which also has them compiled. */
function calibrate(run: Run): number {
  for (let count = 100; ; count *= 2) {
    const startNs = process.hrtime.bigint();
    consume(run(count));
    const elapsedMs = Number(process.hrtime.bigint() - startNs) / 1e6;
    if (elapsedMs >= BATCH_MS) return count;
  }
}

function fastestNs(run: Run): number {
  const count = calibrate(run);
  let fastest = Infinity;
  for (let batch = 0; batch < BATCHES; batch++) {
    const startNs = process.hrtime.bigint();
    consume(run(count));
    fastest = Math.min(fastest, Number(process.hrtime.bigint() - startNs) / count);
  }
  return fastest;
}

function bytesPerOperation(run: Run, collect: () => void): number {
  const few = grownBytes(run, BYTES_OPERATIONS_FEW, collect);
  if (few >= BYTES_NEXT_TO_NOTHING) return Math.round(few);
  return Math.round(grownBytes(run, BYTES_OPERATIONS_MANY, collect));
}

/** Bytes per operation, of `count` operations between two looks at the heap. */
function grownBytes(run: Run, count: number, collect: () => void): number {
  let smallest = Infinity;
  for (let round = 0; round < BYTES_ROUNDS; round++) {
    collect();
    const before = usedBytes();
    consume(run(count));
    const grown = usedBytes() - before;
    if (grown >= 0) smallest = Math.min(smallest, grown / count);
  }
  if (smallest === Infinity) throw new Error("The heap shrank in every round: do fewer operations");
  return smallest;
}

function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

let consumed = 0;
function consume(result: number): void {
  if (Number.isNaN(result)) throw new Error("An operation returned no number");
  consumed += result;
}

const { gc } = globalThis;
if (gc === undefined) throw new Error("Cannot measure bytes: run node with --expose-gc");
const collectAll = () => {
  gc();
};
for (const [name, run] of operations()) {
  const nsPerOp = Math.round(fastestNs(run) * 10) / 10;
  const bytesPerOp = bytesPerOperation(run, collectAll);
  process.stdout.write(`${JSON.stringify({ name, nsPerOp, bytesPerOp })}\n`);
}
if (consumed === 0) throw new Error("No operation did anything");
