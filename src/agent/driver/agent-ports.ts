import type { FencerClock } from "../../fencing/driver/fencer-clock.ts";
import type { FencerStepped } from "../../fencing/driver/fencer-driver.ts";
import type { DeviceAnswer, FenceDevice } from "../../fencing/driver/fence-device.ts";
import type { RegionsRead } from "../../observation/region-reading.ts";
import type { HeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import type { WatchdogInspection } from "../agent-config.ts";
import type { AgentState } from "../agent-state.ts";
import type { LogLevel } from "../../program/log-level.ts";
import type { AgentEffect, BareMessageKey, LatchMark, RebootMethod } from "../effect.ts";
import type { AgentEvent } from "../event.ts";
import type { AgentStatus, FromCore } from "./api-message.ts";

/**
 * What an agent's driver acts through. A port does what a kernel, a disk or a server does, and decides
 * nothing: production has real ones, scenarios and the simulator have models of them.
 */
export type AgentPorts = {
  readonly clock: AgentClock;
  /** Fresh with every call, for fence messages. */
  readonly nonce: () => string;
  readonly device: AgentDevice;
  readonly watchdog: AgentWatchdog;
  readonly hostState: AgentHostState;
  /** To the API process; what is sent while none is there is lost. */
  readonly send: (message: Exclude<FromCore, { readonly type: "status" }>) => void;
  /** How this agent is by now. */
  readonly tell: (status: () => AgentStatus) => void;
  /** Asks the host to reboot. Returns where it does not at once, whatever comes of it. */
  readonly reboot: (method: RebootMethod) => void;
  /** Ends the process. */
  readonly exit: (code: number) => void;
  readonly log: (level: LogLevel, message: string) => void;
  /** What fencers and slot tasks of this process say. */
  readonly logFencing: (level: "info" | "warn", message: string) => void;
  /** Sees all that happens, and changes nothing. */
  readonly watch: AgentWatch;
};

export type AgentClock = FencerClock & {
  /** Unslewed, suspended time included; ms. */
  livedMs(): number;
};

/** Carries requests out one after another; each is answered once, which a hung device may put off for ever. */
export type AgentDevice = FenceDevice & {
  readPass(nodeID: number, answer: (read: DeviceAnswer<PassRead>) => void): void;
  /** Write, flush. `urgent` goes before all that wait. */
  writeHeartbeat(
    record: HeartbeatRecord,
    urgency: "in-turn" | "urgent",
    answer: (written: DeviceAnswer<unknown>) => void,
  ): void;
  readRegions(answer: (read: DeviceAnswer<RegionsRead>) => void): void;
};

/** Header, own fence slot and own heartbeat slot. */
export type PassRead = Omit<AgentEvent & { readonly type: "pass-read" }, "type" | "pass">;

/** The kernel's watchdog device and the native petter. Each throws an Error that says why it failed. */
export type AgentWatchdog = {
  /** Opens, sets the timeout, reads back what the driver says of it and of itself. Pets. */
  open(timeoutSeconds: number): WatchdogOpened;
  /** As sysfs shows it; opens nothing. */
  look(): WatchdogInspection;
  startPetter(periodMs: number, deadlineMs: number, selfFence: boolean): void;
  pushDeadline(deadlineMs: number): void;
  latch(): void;
  /** Once latched: sets the timeout, reads it back and pets once. Does not throw. */
  shorten(timeoutSeconds: number): WatchdogShortened;
  /** Stops the petter, then closes with the magic character. */
  release(): void;
  /** Stops the petter, sets the longest timeout and leaves the watchdog ticking. */
  stretch(): void;
  petCounts(): { readonly pets: number; readonly petErrors: number };
};

export type WatchdogOpened = Omit<AgentEvent & { readonly type: "watchdog-opened" }, "type">;

export type WatchdogShortened =
  | { readonly ok: true; readonly reportedSeconds: number }
  /** Refused: the driver does not take this timeout, and was left as it was. */
  | { readonly ok: false; readonly refused: boolean; readonly error: string };

/** What outlives the process and ends with the boot. Each throws an Error that says why it failed. */
export type AgentHostState = {
  /** Claims the host for the device in this boot, then keeps the first read; the first of a boot counts. */
  keepFirstRead(
    device: { readonly configUID: string; readonly deviceUUID: string },
    messages: readonly BareMessageKey[],
  ): void;
  forgetUncleanStarts(): void;
  recordLatch(mark: LatchMark): void;
  recordSlot(slot: { readonly nodeID: number; readonly sbdNode: string }): void;
  /**
   * Nothing of this process is in flight; a write of this boot may be. Until this is recorded every successor in
   * this boot takes it that one is.
   */
  endInOrder(end: { readonly unconfirmedWrite: boolean }): void;
  /** Another device may have the host in this boot. */
  disown(): void;
};

export type AgentWatch = {
  /** What the core has made of an event, before its effects are carried out. */
  stepped?(before: AgentState, after: AgentState): void;
  /** An effect is about to be carried out. */
  before?(effect: AgentEffect): void;
  /** It was, or what it asks for is under way. */
  after?(effect: AgentEffect): void;
  fencerStepped?(step: FencerStepped): void;
};
