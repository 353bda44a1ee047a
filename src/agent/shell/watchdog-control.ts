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
import type { BootMemory, WatchdogInspection } from "../agent-config.ts";
import type { AgentWatchdog } from "../driver/agent-ports.ts";

/** The kernel's watchdog device at `path`, and the native petter of this process. */
export function createWatchdogControl(
  path: string,
  hostRoot: string,
  sysrq: Sysrq | null,
  memory: Pick<BootMemory, "deviceUUID">,
): AgentWatchdog {
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
    look: () => lookAtWatchdog(path, hostRoot, memory),
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
        const error = "A keepalive is blocked in the watchdog's driver";
        return { ok: false, refused: false, error };
      }
      try {
        held().setTimeout(timeoutSeconds);
        const reportedSeconds = held().getTimeout();
        held().pet();
        return { ok: true, reportedSeconds };
      } catch (error) {
        const refused = error instanceof WatchdogError && error.code === "TIMEOUT_REFUSED";
        return {
          ok: false,
          refused,
          error: error instanceof Error ? error.message : String(error),
        };
      }
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
    petCounts() {
      const { pets, petErrors } = native.petterStats();
      return { pets, petErrors };
    },
  };
}

/**
 * The watchdog as sysfs shows it, without opening it; opening starts it. A kernel that does not say whether it
 * ticks leaves that to what this boot remembers: an agent that owned a device here may have armed it.
 */
export function lookAtWatchdog(
  path: string,
  hostRoot: string,
  { deviceUUID }: Pick<BootMemory, "deviceUUID">,
): WatchdogInspection {
  try {
    const seen = inspectWatchdog(path, hostRoot);
    const mayTick = seen.state === "unknown" && deviceUUID !== null;
    return {
      kind: "present",
      path,
      ticking: seen.state === "active" || mayTick,
      facts: watchdogFacts(seen),
    };
  } catch (error) {
    if (error instanceof WatchdogError) {
      return { kind: "absent", path, detail: error.message };
    }
    throw error;
  }
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
