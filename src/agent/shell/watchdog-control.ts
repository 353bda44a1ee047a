import { join } from "node:path";

import { native } from "../../platform/native.ts";
import {
  latchPetter,
  petterStats,
  pushDeadline,
  startPetter,
  stopPetter,
} from "../../platform/petter.ts";
import type { Sysrq } from "../../platform/sysrq.ts";
import { openWatchdog, type WatchdogDevice } from "../../platform/watchdog-device.ts";
import { WatchdogError } from "../../platform/watchdog-error.ts";
import { watchdogFacts } from "../../platform/watchdog-facts.ts";
import { inspectWatchdog } from "../../platform/watchdog-inspection.ts";
import { toNs } from "../../platform/host-clock.ts";
import type { WatchdogInspection } from "../agent-config.ts";

/** The watchdog and its petter, as the core's effects name them. */
export type WatchdogControl = {
  /** Opens, sets the timeout, reads back what the driver says of it and of itself. Pets. */
  open(timeoutSeconds: number): {
    readonly reportedSeconds: number | null;
    readonly options: number | null;
  };
  startPetter(periodMs: number, deadlineMs: number, selfFence: boolean): void;
  pushDeadline(deadlineMs: number): void;
  latch(): void;
  /**
   * Once latched: sets the timeout, reads it back and pets once. Returns what the driver reports.
   *
   * @throws WatchdogError `TIMEOUT_REFUSED` where the driver does not take it and was left as it was;
   *   another code after any other failure
   */
  shorten(timeoutSeconds: number): number;
  release(): void;
  /** Sets the longest timeout and leaves it ticking. */
  stretch(): void;
};

export function createWatchdogControl(
  path: string,
  hostRoot: string,
  sysrq: Sysrq | null,
): WatchdogControl {
  let device: WatchdogDevice | null = null;

  function held(): WatchdogDevice {
    if (device === null) {
      throw new Error("The watchdog is used before it was opened");
    }
    return device;
  }
  return {
    open(timeoutSeconds) {
      device = openWatchdog(join(hostRoot, path), hostRoot);
      trySetTimeout(device, timeoutSeconds);
      const opened = device;
      return {
        reportedSeconds: unlessUnsaid(() => opened.getTimeout()),
        options: unlessUnsaid(() => opened.getSupport().options),
      };
    },
    startPetter(periodMs, deadlineMs, selfFence) {
      startPetter({
        watchdogFd: held().fd,
        sysrqFd: selfFence ? (sysrq?.fd ?? -1) : -1,
        periodMs,
        deadlineNs: toNs(deadlineMs),
      });
    },
    pushDeadline(deadlineMs) {
      pushDeadline(toNs(deadlineMs));
    },
    latch() {
      latchPetter();
    },
    shorten(timeoutSeconds) {
      // A keepalive that began before the latch may still reach the hardware, at any time.
      if (latchPetter() === "pet-in-driver") {
        throw new WatchdogError("BUSY", "A keepalive is blocked in the watchdog's driver");
      }
      held().setTimeout(timeoutSeconds);
      const reportedSeconds = held().getTimeout();
      held().pet();
      return reportedSeconds;
    },
    release() {
      if (petterStats().running) {
        stopPetter();
      }
      held().release();
    },
    stretch() {
      if (petterStats().running) {
        stopPetter();
      }
      const longest = inspectWatchdog(path, hostRoot).maxTimeoutSeconds;
      if (longest !== null && longest > 0) {
        trySetTimeout(held(), longest);
      }
      held().closeWithoutRelease();
    },
  };
}

/** The watchdog as sysfs shows it, without opening it; opening starts it. */
export function lookAtWatchdog(path: string, hostRoot: string): WatchdogInspection {
  try {
    const seen = inspectWatchdog(path, hostRoot);
    return {
      kind: "present",
      path,
      ticking: seen.state === "active",
      facts: watchdogFacts(seen),
    };
  } catch (error) {
    if (error instanceof WatchdogError) {
      return { kind: "absent", path, detail: error.message };
    }
    throw error;
  }
}

/** For reports: pets so far in this process. */
export function petCounts(): { readonly pets: number; readonly petErrors: number } {
  const { pets, petErrors } = native.petterStats();
  return { pets, petErrors };
}

/** Some drivers cannot set it; what they report back is what counts. */
function trySetTimeout(device: WatchdogDevice, seconds: number): void {
  try {
    device.setTimeout(seconds);
  } catch (error) {
    if (!(error instanceof WatchdogError)) {
      throw error;
    }
  }
}

function unlessUnsaid(ask: () => number): number | null {
  try {
    return ask();
  } catch (error) {
    if (error instanceof WatchdogError) {
      return null;
    }
    throw error;
  }
}
