import { deriveTiming, msgwaitArithmetic, seconds, type TimingContract } from "./contract.ts";

/** What is known about a watchdog, from sysfs before it is opened and from the driver after. */
export type WatchdogFacts = {
  /** Kernel driver or module name where sysfs tells it, else null. */
  readonly driver: string | null;
  /** What the driver calls itself (`identity`). */
  readonly identity: string;
  /** WDIOF_* bits, or null where the kernel does not show them. */
  readonly options: number | null;
  readonly nowayout: boolean;
  /** softdog's `soft_noboot`: it only logs. */
  readonly softNoboot: boolean;
  /** softdog's `soft_reboot_cmd` is set: it calls a program first. */
  readonly softRebootCmd: boolean;
  /** What `sbdctl watchdog test` and the peers measured as a multiple of the set timeout, or null. */
  readonly measuredFactor: number | null;
};

/**
 * - `NO_BOOT`          it would never reset the machine
 * - `REBOOT_COMMAND`   it leaves the reset to a program, at a time nobody can bound
 * - `FIXED_MARGIN`     its timeout cannot be set, so what it reports may be fiction
 * - `ALARM_ONLY`       it raises an alarm and resets nothing
 * - `STOPS_ON_CLOSE`   it stops when its holder dies
 * - `UNVERIFIED`       nobody has measured when this driver resets
 * - `TOO_SLOW`         it may take longer than the contract's W
 */
export type WatchdogRefusalCode =
  | "NO_BOOT"
  | "REBOOT_COMMAND"
  | "FIXED_MARGIN"
  | "ALARM_ONLY"
  | "STOPS_ON_CLOSE"
  | "UNVERIFIED"
  | "TOO_SLOW";

export type WatchdogJudgement =
  | {
      readonly kind: "usable";
      /** Whole seconds to hand to WDIOC_SETTIMEOUT so that the reset comes within W. */
      readonly timeoutSeconds: number;
      /** Longest time to the reset for one second of timeout. */
      readonly factor: number;
      readonly verified: boolean;
    }
  | {
      readonly kind: "refused";
      readonly code: WatchdogRefusalCode;
      /** What is wrong, what it means for the node, what to do. */
      readonly message: string;
    };

const WDIOF_SETTIMEOUT = 0x0080;
const WDIOF_MAGICCLOSE = 0x0100;
const WDIOF_ALARMONLY = 0x0400;

/**
 * Drivers measured on real kernels: seconds to the reset for one second of timeout. iTCO_wdt resets
 * on the second expiry (reported 10 s, reset at 20 s); softdog runs on a timer that NTP may slew.
 */
const VERIFIED_DRIVERS: readonly {
  readonly driver: string;
  readonly identity: string;
  readonly factor: number;
}[] = [
  { driver: "i6300esb", identity: "i6300ESB timer", factor: 1 },
  { driver: "softdog", identity: "Software Watchdog", factor: 1.12 },
  { driver: "iTCO_wdt", identity: "iTCO_wdt", factor: 2 },
];

/** What all of them can do; kernels before 6.2 do not show it in sysfs. */
const VERIFIED_OPTIONS = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE;

/**
 * Judges, before it is opened, whether a watchdog can back the contract, and with which timeout.
 * What the kernel does not show yet (`options` null) counts against it only once it is open, when
 * WDIOC_GETSUPPORT tells.
 *
 * @param acceptUnverified take a driver that is not on the list at its word
 */
export function judgeWatchdog(
  facts: WatchdogFacts,
  contract: TimingContract,
  { acceptUnverified }: { readonly acceptUnverified: boolean },
): WatchdogJudgement {
  const name = facts.driver ?? facts.identity;
  const refuse = (code: WatchdogRefusalCode, why: string, remedy: string): WatchdogJudgement => ({
    kind: "refused",
    code,
    message:
      `Watchdog ${name} cannot back this node: ${why}. The node runs unarmed and cannot be fenced ` +
      `by time; ${remedy}.`,
  });
  if (facts.softNoboot) {
    return refuse("NO_BOOT", "softdog has soft_noboot set and never resets", "unset soft_noboot");
  }
  if (facts.softRebootCmd) {
    return refuse(
      "REBOOT_COMMAND",
      "softdog has soft_reboot_cmd set and leaves the reset to a program",
      "unset soft_reboot_cmd",
    );
  }
  const verified = VERIFIED_DRIVERS.find(
    (known) => known.driver === facts.driver || known.identity === facts.identity,
  );
  const options = facts.options ?? (verified === undefined ? null : VERIFIED_OPTIONS);
  if (options !== null && (options & WDIOF_ALARMONLY) !== 0) {
    return refuse("ALARM_ONLY", "it only raises an alarm", "use another watchdog");
  }
  if (options !== null && (options & WDIOF_SETTIMEOUT) === 0) {
    return refuse("FIXED_MARGIN", "its timeout cannot be set", "use another watchdog");
  }
  if (!facts.nowayout && options !== null && (options & WDIOF_MAGICCLOSE) === 0) {
    return refuse(
      "STOPS_ON_CLOSE",
      "it knows neither magic close nor nowayout, so it stops when its holder dies",
      "load the driver with nowayout=1 or use another watchdog",
    );
  }
  const factor = Math.max(verified?.factor ?? 1, facts.measuredFactor ?? 1);
  if (verified === undefined && facts.measuredFactor === null && !acceptUnverified) {
    return refuse(
      "UNVERIFIED",
      "nobody has measured when this driver resets the machine",
      "run 'sbdctl watchdog test' on it, or set acceptUnverifiedWatchdogs",
    );
  }
  const timeoutSeconds = Math.floor(contract.watchdogMs / msPerSecond(factor));
  if (timeoutSeconds < 1) {
    return refuse(
      "TOO_SLOW",
      `it takes ${factor} s to reset for each second of timeout, so W = ` +
        `${seconds(contract.watchdogMs)} leaves it no whole second`,
      "initialise the device with a longer watchdog timeout",
    );
  }
  return { kind: "usable", timeoutSeconds, factor, verified: verified !== undefined };
}

/** Longest time from the last pet to the reset, for a timeout that the driver reports back. */
export function effectiveWatchdogMs(reportedSeconds: number, factor: number): number {
  return Math.ceil(reportedSeconds * msPerSecond(factor));
}

/**
 * Longest time to the reset for one second of timeout, in whole ms: 25 × 1.12 is a little more than
 * 28 in binary fractions, and would refuse a watchdog for what it was asked.
 */
function msPerSecond(factor: number): number {
  return Math.ceil(Number((factor * 1_000).toFixed(6)));
}

/**
 * Why a watchdog that reports `reportedSeconds` after it was set breaks the contract, or null where
 * it does not. Drivers round, so what was asked for is not what counts.
 */
export function whyWatchdogTooSlow(
  reportedSeconds: number,
  factor: number,
  contract: TimingContract,
): string | null {
  const effectiveMs = effectiveWatchdogMs(reportedSeconds, factor);
  if (effectiveMs <= contract.watchdogMs) {
    return null;
  }
  const claimed = deriveTiming(contract);
  return (
    `The watchdog reports ${reportedSeconds} s and may take ${seconds(effectiveMs)} ` +
    `(${reportedSeconds} s × ${factor}), longer than W = ${seconds(contract.watchdogMs)}: fencers ` +
    `wait ${msgwaitArithmetic(claimed)}, and this node could live ` +
    `${seconds(contract.timeoutMs)} + 2 × ${seconds(effectiveMs)} = ` +
    `${seconds(contract.timeoutMs + 2 * effectiveMs)}. The node runs unarmed; initialise the ` +
    `device with a watchdog timeout of ${seconds(effectiveMs)} or more.`
  );
}
