import { watchdogFacts } from "../platform/watchdog-facts.ts";
import type { WatchdogInspection } from "../platform/watchdog-inspection.ts";
import { TIMEOUT_MS_MIN } from "../timing/contract.ts";
import {
  effectiveWatchdogMs,
  judgeWatchdog,
  whyWatchdogTooSlow,
  type WatchdogRefusalCode,
} from "../timing/watchdog-effect.ts";

/** Whether a watchdog can back a device whose contract has this W. */
export type WatchdogOpinion =
  | {
      readonly usable: true;
      /** What an agent sets. */
      readonly timeoutSeconds: number;
      /** The longest it takes to the reset then, in ms. */
      readonly effectiveMs: number;
      /** Longest time to the reset for one second of timeout. */
      readonly factor: number;
    }
  | {
      readonly usable: false;
      readonly code: WatchdogRefusalCode;
      readonly message: string;
    };

/** Judges a watchdog as an agent does, from what sysfs shows of it. */
export function opinionOf(watchdog: WatchdogInspection, watchdogMs: number): WatchdogOpinion {
  const contract = { timeoutMs: Math.max(TIMEOUT_MS_MIN, 2 * watchdogMs), watchdogMs };
  const judgement = judgeWatchdog(watchdogFacts(watchdog), contract, { acceptUnverified: false });
  if (judgement.kind === "refused") {
    return { usable: false, code: judgement.code, message: judgement.message };
  }
  const { factor } = judgement;
  const timeoutSeconds = takes(watchdog, judgement.timeoutSeconds)
    ? judgement.timeoutSeconds
    : (watchdog.timeoutSeconds ?? judgement.timeoutSeconds);
  const tooSlow = whyWatchdogTooSlow(timeoutSeconds, factor, contract);
  return tooSlow === null
    ? {
        usable: true,
        timeoutSeconds,
        effectiveMs: effectiveWatchdogMs(timeoutSeconds, factor),
        factor,
      }
    : { usable: false, code: "TOO_SLOW", message: tooSlow };
}

/** A timeout out of the driver's range is refused, and it stays at the one it has. 0 is no limit. */
function takes(
  { minTimeoutSeconds, maxTimeoutSeconds }: WatchdogInspection,
  timeoutSeconds: number,
): boolean {
  const max = maxTimeoutSeconds ?? 0;
  return timeoutSeconds >= (minTimeoutSeconds ?? 0) && (max === 0 || timeoutSeconds <= max);
}
