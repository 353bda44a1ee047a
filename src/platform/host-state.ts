import fs from "node:fs";
import { join } from "node:path";

import { isValidNodeID } from "../protocol/node-id.ts";
import { writeDurably } from "./durable-file.ts";
import { asSystemError, errnoName, SystemError } from "./errno.ts";
import { native } from "./native.ts";

/** A host directory: an emptyDir dies with its pod, and a restarted agent would forget its latch. */
export const STATE_DIRECTORY_DEFAULT = "/run/sbd-agent";

/**
 * - `LOCKED`        another agent runs on this host
 * - `UNAVAILABLE`   the directory cannot be made, or a file in it not read
 * - `WRITE_FAILED`  a file could not be written durably; it holds what it held
 * - `OWNED`         another SBDConfig, device or watchdog owns the host in this boot
 * - `CLOSED`        the caller has closed it
 */
export type HostStateErrorCode = "LOCKED" | "UNAVAILABLE" | "WRITE_FAILED" | "OWNED" | "CLOSED";

/** Thrown where the host's state cannot be had or kept. */
export class HostStateError extends Error {
  override readonly name = "HostStateError";
  readonly code: HostStateErrorCode;

  constructor(code: HostStateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Who may arm on this host in this boot. */
export type HostOwner = {
  readonly configUID: string;
  readonly deviceUUID: string;
  /** "watchdog0" */
  readonly watchdog: string;
};

/** The fence message that this boot obeys. */
export type LatchMark = {
  /** 0 for a message that has none. */
  readonly epoch: number;
  readonly reason: number;
  /** Who wrote it. */
  readonly fencer: string;
};

/** What there is to know of a latch in this boot. An unreadable mark counts as a latch. */
export type LatchState =
  | { readonly kind: "none" }
  | { readonly kind: "latched"; readonly mark: LatchMark }
  | { readonly kind: "unreadable"; readonly detail: string };

/** The messages without a boot that stood in the own slots at this boot's first read. */
export type FirstRead = { readonly messages: readonly string[] };

/** The slot that this node has on the device. */
export type RememberedSlot = {
  /** 1..255 */
  readonly nodeID: number;
  /** The SBDNode that says so. */
  readonly sbdNode: string;
};

/** What earlier agents of this boot left for the one that starts. */
export type StartRecord = {
  /** How many right before it neither ended in order nor had good passes for long enough. */
  readonly uncleanStarts: number;
  /** A write of one of them may still land: it failed, or its agent died. */
  readonly unconfirmedWrite: boolean;
};

/**
 * What outlives the agent's process and ends with the boot. Each record names its boot; one of
 * another boot, in a directory that survived a reboot, is as if it were not there.
 *
 * Every method but `close` throws HostStateError `UNAVAILABLE`, `CLOSED`, and those that write
 * `WRITE_FAILED`.
 */
export type HostState = {
  /**
   * Records who owns the host, if nobody does in this boot.
   *
   * @throws HostStateError `OWNED` where somebody else does
   */
  claim(owner: HostOwner): void;
  /**
   * Lets another device or watchdog have the host in this boot. Only after the watchdog was disarmed
   * with `leaving` durable on the device: a fencer there would prove this boot dead by its silence.
   */
  disown(): void;
  /** Null where nobody owns the host in this boot. */
  owner(): HostOwner | null;
  latch(): LatchState;
  /** Durable when it returns. There is no way back in this boot; a second mark is refused silently. */
  recordLatch(mark: LatchMark): void;
  /** Null before this boot's first read of its fence slot. */
  firstRead(): FirstRead | null;
  /** Keeps the first one of the boot only. */
  recordFirstRead(firstRead: FirstRead): void;
  /**
   * The slot the API last told in this boot, for an agent that starts while the API is out of reach;
   * null where there is none to be read.
   */
  slot(): RememberedSlot | null;
  /** Replaces what was remembered. */
  recordSlot(slot: RememberedSlot): void;
  /** Counts this start as unclean until told otherwise. */
  beginStart(): StartRecord;
  /** Passes were good for long enough: no unclean start is remembered any more. */
  forgetUncleanStarts(): void;
  /**
   * The agent ends in order: nothing of it is in flight, but a write that it knows of may land late, which is
   * remembered to the end of the boot. One that dies may have died in a write.
   */
  endInOrder(end: { readonly unconfirmedWrite: boolean }): void;
  /** Gives up the lock. */
  close(): void;
};

/**
 * Takes the host for this process, until it ends or closes this.
 *
 * @throws HostStateError `LOCKED`, `UNAVAILABLE`
 */
export function openHostState(
  bootID: string,
  stateDirectory: string = STATE_DIRECTORY_DEFAULT,
): HostState {
  let lock = lockDirectory(stateDirectory);

  function pathOf(file: string): string {
    if (lock >= 0) return join(stateDirectory, file);
    throw new HostStateError("CLOSED", `Cannot use ${stateDirectory} as it has been closed`);
  }
  function load(file: string): StoredRecord {
    return readRecord(pathOf(file), bootID);
  }
  function store(file: string, record: Record<string, unknown>): void {
    writeRecord(pathOf(file), { bootID, ...record });
  }
  function owner(): HostOwner | null {
    return load(OWNER_FILE).kind === "absent"
      ? null
      : ownerIn(load(OWNER_FILE), pathOf(OWNER_FILE));
  }
  function latch(): LatchState {
    return latchIn(load(LATCH_FILE), pathOf(LATCH_FILE));
  }
  function firstRead(): FirstRead | null {
    const record = load(FIRST_READ_FILE);
    return record.kind === "absent" ? null : firstReadIn(record, pathOf(FIRST_READ_FILE));
  }

  return {
    claim(wanted) {
      const current = owner();
      if (current === null) store(OWNER_FILE, wanted);
      else if (!isSameOwner(current, wanted)) throw ownedByAnother(current, wanted);
    },
    disown() {
      remove(pathOf(OWNER_FILE));
    },
    owner,
    latch,
    recordLatch(mark) {
      if (latch().kind === "none") store(LATCH_FILE, mark);
    },
    firstRead,
    recordFirstRead(read) {
      if (firstRead() === null) store(FIRST_READ_FILE, read);
    },
    slot() {
      return slotIn(load(SLOT_FILE));
    },
    recordSlot(slot) {
      store(SLOT_FILE, slot);
    },
    beginStart() {
      const before = startsIn(load(STARTS_FILE));
      const unconfirmedWrite = before.unconfirmedWrite || before.running;
      const uncleanStarts = before.unclean;
      store(STARTS_FILE, { unclean: uncleanStarts + 1, unconfirmedWrite, running: true });
      return { uncleanStarts, unconfirmedWrite };
    },
    forgetUncleanStarts() {
      store(STARTS_FILE, { ...startsIn(load(STARTS_FILE)), unclean: 0 });
    },
    endInOrder(end) {
      const unconfirmedWrite = startsIn(load(STARTS_FILE)).unconfirmedWrite || end.unconfirmedWrite;
      store(STARTS_FILE, { unclean: 0, unconfirmedWrite, running: false });
    },
    close() {
      if (lock >= 0) native.close(lock);
      lock = -1;
    },
  };
}

/** Errs towards caution: as many as make an agent wait before it arms. */
const UNCLEAN_STARTS_IF_UNKNOWN = 3;

const LOCK_FILE = "lock";
const OWNER_FILE = "owner.json";
const LATCH_FILE = "latch.json";
const FIRST_READ_FILE = "first-read.json";
const STARTS_FILE = "starts.json";
const SLOT_FILE = "slot.json";

function lockDirectory(directory: string): number {
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unavailable(directory, asSystemError(error, `Cannot make ${directory}`));
  }
  const path = join(directory, LOCK_FILE);
  const fd = native.open(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  if (fd < 0) throw unavailable(directory, new SystemError(fd, `Cannot open ${path}`));
  const result = native.flockExclusive(fd);
  if (result === 0) return fd;
  native.close(fd);
  const cause = new SystemError(result, `Cannot lock ${path}`);
  if (errnoName(result) !== "EAGAIN") throw unavailable(directory, cause);
  throw new HostStateError(
    "LOCKED",
    `${path} is locked by another agent on this host, so this one arms and writes nothing. ` +
      `Two agents would pet one watchdog for different devices; wait until the other has ended.`,
    { cause },
  );
}

/** A record of this boot, none, or a file that is there and says nothing. */
type StoredRecord =
  | { readonly kind: "absent" }
  | { readonly kind: "present"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "unreadable"; readonly detail: string };

function readRecord(path: string, bootID: string): StoredRecord {
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    const cause = asSystemError(error, `Cannot read ${path}`);
    if (cause instanceof SystemError && cause.code === "ENOENT") return { kind: "absent" };
    throw unavailable(path, cause);
  }
  const fields = parseObject(text);
  if (fields === null || typeof fields["bootID"] !== "string") {
    return { kind: "unreadable", detail: `${path} holds no record: ${text.slice(0, 80)}` };
  }
  if (fields["bootID"] === bootID) return { kind: "present", fields };
  remove(path);
  return { kind: "absent" };
}

function remove(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch (error) {
    throw unavailable(path, asSystemError(error, `Cannot remove ${path}`));
  }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function writeRecord(path: string, record: Record<string, unknown>): void {
  try {
    writeDurably(path, `${JSON.stringify(record)}\n`);
  } catch (cause) {
    throw new HostStateError(
      "WRITE_FAILED",
      `${cause instanceof Error ? cause.message : String(cause)}, so an agent started later in ` +
        `this boot would not know of it. The host's directory must be mounted for writing and ` +
        `have space left.`,
      { cause },
    );
  }
}

function ownerIn(record: StoredRecord, path: string): HostOwner {
  const { configUID, deviceUUID, watchdog } = record.kind === "present" ? record.fields : {};
  if (
    typeof configUID === "string" &&
    typeof deviceUUID === "string" &&
    typeof watchdog === "string"
  ) {
    return { configUID, deviceUUID, watchdog };
  }
  throw unusable(path, "which SBDConfig owns this host in this boot is unknown");
}

function latchIn(record: StoredRecord, path: string): LatchState {
  if (record.kind === "absent") return { kind: "none" };
  const { epoch, reason, fencer } = record.kind === "present" ? record.fields : {};
  if (typeof epoch === "number" && typeof reason === "number" && typeof fencer === "string") {
    return { kind: "latched", mark: { epoch, reason, fencer } };
  }
  return { kind: "unreadable", detail: `${path} is there and names no fence message` };
}

function firstReadIn(record: StoredRecord, path: string): FirstRead {
  const { messages } = record.kind === "present" ? record.fields : {};
  if (Array.isArray(messages) && messages.every((message) => typeof message === "string")) {
    return { messages };
  }
  throw unusable(path, "whether a bare fence message is older than this boot is unknown");
}

/** The API knows it too, so what cannot be read is asked for again. */
function slotIn(record: StoredRecord): RememberedSlot | null {
  const { nodeID, sbdNode } = record.kind === "present" ? record.fields : {};
  return typeof nodeID === "number" && isValidNodeID(nodeID) && typeof sbdNode === "string"
    ? { nodeID, sbdNode }
    : null;
}

type Starts = {
  readonly unclean: number;
  readonly unconfirmedWrite: boolean;
  readonly running: boolean;
};

/** What cannot be read errs towards caution. */
function startsIn(record: StoredRecord): Starts {
  if (record.kind === "absent") return { unclean: 0, unconfirmedWrite: false, running: false };
  const { unclean, unconfirmedWrite, running } = record.kind === "present" ? record.fields : {};
  return {
    unclean:
      typeof unclean === "number" && Number.isSafeInteger(unclean)
        ? unclean
        : UNCLEAN_STARTS_IF_UNKNOWN,
    unconfirmedWrite: unconfirmedWrite !== false,
    running: running !== false,
  };
}

function isSameOwner(a: HostOwner, b: HostOwner): boolean {
  return a.configUID === b.configUID && a.deviceUUID === b.deviceUUID && a.watchdog === b.watchdog;
}

function ownedByAnother(current: HostOwner, wanted: HostOwner): HostStateError {
  return new HostStateError(
    "OWNED",
    `This host belongs to SBDConfig ${current.configUID} with device ${current.deviceUUID} and ` +
      `${current.watchdog} in this boot, so SBDConfig ${wanted.configUID} with device ` +
      `${wanted.deviceUUID} and ${wanted.watchdog} does not arm here. Reboot the node to hand it over.`,
  );
}

function unavailable(path: string, cause: unknown): HostStateError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HostStateError(
    "UNAVAILABLE",
    `${reason}, so this agent cannot know whether this boot has been fenced, and does not arm. ` +
      `Mount the host's ${path} for writing.`,
    { cause },
  );
}

function unusable(path: string, meaning: string): HostStateError {
  return new HostStateError(
    "UNAVAILABLE",
    `${path} holds no valid record, so ${meaning}, and this agent does not arm. Reboot the node.`,
  );
}
