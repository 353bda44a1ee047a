import os from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { hostClock } from "../platform/host-clock.ts";
import { native } from "../platform/native.ts";
import { openWatchdog, type WatchdogDevice } from "../platform/watchdog-device.ts";
import { WatchdogError } from "../platform/watchdog-error.ts";
import { inspectWatchdog, type WatchdogInspection } from "../platform/watchdog-inspection.ts";
import { CliError } from "./cli-error.ts";
import { startBeating, type Beating } from "./unarmed-beating.ts";
import type { Terminal } from "./terminal.ts";

export type WatchdogTestOptions = {
  readonly watchdogPath: string;
  readonly timeoutSeconds: number;
  readonly hostRoot: string;
  readonly yes: boolean;
  readonly reset: boolean;
  /** Both or neither, and only with `reset`. */
  readonly devicePath: string | null;
  readonly nodeID: number | null;
};

const PETS = 3;
const PET_EVERY_MS_MAX = 1_000;
const PET_BYTE = ".".charCodeAt(0);
const TICK_MS = 100;
/** Known drivers take up to twice their timeout; beyond this one will not reset at all. */
const TIMEOUTS_MAX = 3;
const RESET_LATE_MS = 10_000;
const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * `sbdctl watchdog test`.
 *
 * @throws {CliError} `USAGE`, `REFUSED`, `NOT_CONFIRMED`, `WATCHDOG`, `NO_RESET`, `DEVICE`,
 *   `DEVICE_SILENT`
 */
export async function testWatchdog(
  options: WatchdogTestOptions,
  terminal: Terminal,
): Promise<void> {
  requireSensible(options);
  try {
    const watchdog = inspectWatchdog(options.watchdogPath, options.hostRoot);
    guard(watchdog, options);
    terminal.note(whatHappens(watchdog, options));
    if (!options.yes) {
      await terminal.confirm("This opens the watchdog, and by that starts it.", os.hostname());
    }
    await (options.reset ? resetMachine(options, terminal) : petAndRelease(options, terminal));
  } catch (error) {
    if (error instanceof WatchdogError) {
      throw new CliError("WATCHDOG", error.message, { watchdogError: error.code });
    }
    throw error;
  }
}

function requireSensible({ reset, devicePath, nodeID }: WatchdogTestOptions): void {
  if ((devicePath === null) !== (nodeID === null)) {
    throw new CliError(
      "USAGE",
      "Only one of --device and --node-id is given, and a heartbeat needs both; nothing was opened.",
    );
  }
  if (devicePath !== null && !reset) {
    throw new CliError(
      "USAGE",
      "--device is for --reset: a watchdog that is released ends no heartbeats; nothing was opened.",
    );
  }
}

function guard(watchdog: WatchdogInspection, { reset }: WatchdogTestOptions): void {
  const { device, holder, state, nowayout } = watchdog;
  if (holder !== undefined) {
    throw new CliError(
      "REFUSED",
      `Not tested: ${device} is held by ${holder.command} (${holder.pid}), which decides whether this ` +
        `node lives. Stop it in order first, or test another watchdog.`,
    );
  }
  if (reset) {
    return;
  }
  if (nowayout === true) {
    throw new CliError(
      "REFUSED",
      `Not tested: ${device} has nowayout, so once opened it cannot be stopped, and this machine would ` +
        `reset after the test. Use --reset if that is what you want.`,
    );
  }
  if (state === "active") {
    throw new CliError(
      "REFUSED",
      `Not tested: ${device} is ticking already, so somebody means this machine to reset, and a test ` +
        `would stop it. Start an agent, which takes it over, or use --reset.`,
    );
  }
}

function whatHappens(
  { device, identity, nowayout }: WatchdogInspection,
  { timeoutSeconds, reset }: WatchdogTestOptions,
): string {
  const what = `${device} (${identity ?? "unknown"}) is opened and set to ${timeoutSeconds} s`;
  if (reset) {
    return (
      `${what}, petted once and then never again: THIS MACHINE RESETS without a sync. Ctrl-C before ` +
      `that ${nowayout === true ? "does not stop it: it has nowayout" : "releases the watchdog"}.`
    );
  }
  return (
    `${what}, petted ${PETS} times and released with 'V'. If this program or the machine hangs in ` +
    `between, the machine resets. With nowayout the driver would not let go of it at all: this one ` +
    `${nowayout === false ? "has it off" : "does not say"}.`
  );
}

type Opened = { readonly device: WatchdogDevice; readonly reportedSeconds: number };

function open({ watchdogPath, hostRoot, timeoutSeconds }: WatchdogTestOptions): Opened {
  const device = openWatchdog(join(hostRoot, watchdogPath), hostRoot);
  try {
    device.setTimeout(timeoutSeconds);
    return { device, reportedSeconds: device.getTimeout() };
  } catch (error) {
    device.release();
    throw error;
  }
}

/** Whoever interrupts the test must not reset the machine by it. */
function releaseOnSignal(device: WatchdogDevice): () => void {
  const release = (signal: NodeJS.Signals): void => {
    device.release();
    process.stderr.write(
      `\nWrote 'V' to ${device.path} on ${signal}: it stops unless it has nowayout.\n`,
    );
    for (const name of ENDING_SIGNALS) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  };
  for (const name of ENDING_SIGNALS) process.once(name, release);
  return () => {
    for (const name of ENDING_SIGNALS) process.removeListener(name, release);
  };
}

function pet(device: WatchdogDevice): void {
  const written = native.writeByte(device.fd, PET_BYTE);
  if (written !== 1) {
    throw new CliError(
      "WATCHDOG",
      `${device.path} took no pet (${written}) and ticks, so this machine may reset. See the kernel's ` +
        `messages.`,
    );
  }
}

async function petAndRelease(options: WatchdogTestOptions, terminal: Terminal): Promise<void> {
  const { device, reportedSeconds } = open(options);
  const forget = releaseOnSignal(device);
  const everyMs = Math.min(PET_EVERY_MS_MAX, (reportedSeconds * 1_000) / 4);
  try {
    for (let left = PETS; left > 0; left -= 1) {
      pet(device);
      terminal.progress(`pet ${left}`, `petted; ${left - 1} more`);
      await delay(everyMs);
    }
  } finally {
    device.release();
    forget();
  }
  const took = reportedSeconds === options.timeoutSeconds;
  terminal.answer(
    {
      watchdogPath: options.watchdogPath,
      timeoutSeconds: options.timeoutSeconds,
      reportedSeconds,
      pets: PETS,
      released: true,
    },
    `${options.watchdogPath} was opened, set, petted ${PETS} times and released. It reports a timeout ` +
      `of ${reportedSeconds} s${took ? "" : `, not the ${options.timeoutSeconds} s asked for`}. When it ` +
      `really resets, only --reset can tell.`,
  );
}

async function resetMachine(options: WatchdogTestOptions, terminal: Terminal): Promise<void> {
  const { devicePath, nodeID, hostRoot } = options;
  // Before the watchdog is opened: what can be refused must not reset the machine.
  const beating =
    devicePath === null || nodeID === null
      ? null
      : await startBeating({ devicePath, nodeID, hostRoot }, terminal);
  try {
    const { device, reportedSeconds } = open(options);
    const forget = releaseOnSignal(device);
    pet(device);
    const lastPetMs = hostClock.rawMs();
    beating?.begin();
    const silentMs = await untilReset(lastPetMs, reportedSeconds, beating, terminal);
    device.release();
    forget();
    throw new CliError(
      "NO_RESET",
      `${options.watchdogPath} reported ${reportedSeconds} s and has not reset this machine for ` +
        `${(silentMs / 1_000).toFixed(1)} s since its last pet, so it cannot back a node: a fencer would ` +
        `take it for dead. It was told to stop. Use another watchdog, or check the driver's parameters.`,
      { watchdogPath: options.watchdogPath, reportedSeconds, silentMs: Math.round(silentMs) },
    );
  } finally {
    await beating?.end();
  }
}

/** Returns only where the machine does not reset. */
async function untilReset(
  lastPetMs: number,
  reportedSeconds: number,
  beating: Beating | null,
  terminal: Terminal,
): Promise<number> {
  const giveUpMs = TIMEOUTS_MAX * reportedSeconds * 1_000 + RESET_LATE_MS;
  let saidSeconds = -1;
  for (;;) {
    const sinceMs = hostClock.rawMs() - lastPetMs;
    if (sinceMs >= giveUpMs) {
      return sinceMs;
    }
    // Tenths once it may end any moment: the last line on the console is the measurement.
    const step = sinceMs < reportedSeconds * 1_000 - 1_000 ? 1 : 0.1;
    const roundSeconds = Math.floor(sinceMs / 1_000 / step) * step;
    if (roundSeconds !== saidSeconds) {
      saidSeconds = roundSeconds;
      const beats = beating === null ? "" : `, ${beating.describe()}`;
      terminal.note(`${(sinceMs / 1_000).toFixed(1)} s since the last pet${beats}`);
    }
    await delay(TICK_MS);
  }
}
