import type { RebootMethod } from "../src/agent/effect.ts";
import type { WatchdogFacts } from "../src/timing/watchdog-effect.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

/** One machine: what it is made of, which no reboot changes. */
export type Hardware = {
  /** True time × rate = its unslewed clock; two crystals differ by less than 200 ppm. */
  readonly clockRate: number;
  readonly watchdog: WatchdogHardware | null;
  readonly sysrqWorks: boolean;
  /** From reset to the first process. */
  readonly bootMs: number;
  readonly detectOnly: boolean;
  readonly rebootMethod: RebootMethod;
  /** The kernel's reboot notifier stops the watchdog. */
  readonly stopOnReboot: boolean;
  readonly virtual: boolean;
};

export type WatchdogHardware = {
  readonly facts: WatchdogFacts;
  /** Seconds to the reset for one second of timeout: the truth, which the driver may not tell. */
  readonly trueFactor: number;
  /** Takes timeouts in multiples of this, rounding up. */
  readonly roundsToSeconds: number;
  /** Refuses every change of its timeout, which stands at this; null = it takes what it is given. */
  readonly stuckAtSeconds: number | null;
};

const SETTIMEOUT = 0x0080;
const MAGICCLOSE = 0x0100;
const CLOCK_PPM = 100;

/** What a seed gives a machine. */
export function chooseHardware(random: Random, schedule: Schedule): Hardware {
  if (schedule.hardware === "plain") {
    return plainHardware();
  }
  return {
    clockRate: 1 + random.pick([-1, 1, random.between(-1, 1)]) * CLOCK_PPM * 1e-6,
    watchdog: random.chance(0.04) ? null : chooseWatchdog(random, schedule.hardware === "coarse"),
    sysrqWorks: random.chance(0.5),
    bootMs: Math.round(random.pick([3_000, random.between(5_000, 60_000), 180_000])),
    detectOnly: random.chance(0.02),
    rebootMethod: random.chance(0.2) ? "systemctl-reboot" : "panic",
    stopOnReboot: random.chance(0.7),
    virtual: random.chance(0.4),
  };
}

function plainHardware(): Hardware {
  return {
    clockRate: 1,
    watchdog: driver("i6300esb", "i6300ESB timer", 1),
    sysrqWorks: true,
    bootMs: 20_000,
    detectOnly: false,
    rebootMethod: "panic",
    stopOnReboot: true,
    virtual: false,
  };
}

function chooseWatchdog(random: Random, isCoarse: boolean): WatchdogHardware {
  const known = random.pick([
    driver("i6300esb", "i6300ESB timer", 1),
    driver("softdog", "Software Watchdog", 1.12),
    driver("iTCO_wdt", "iTCO_wdt", 2),
  ]);
  return {
    ...known,
    // Mostly at its worst, as late as it may be.
    trueFactor: known.trueFactor * (random.chance(0.8) ? 1 : random.between(0.9, 1)),
    facts: { ...known.facts, nowayout: random.chance(0.25) },
    roundsToSeconds: random.chance(isCoarse ? 1 : 0.1) ? random.pick([5, 10]) : 1,
    stuckAtSeconds: random.chance(0.03) ? 60 : null,
  };
}

function driver(name: string, identity: string, trueFactor: number): WatchdogHardware {
  return {
    facts: {
      driver: name,
      identity,
      options: SETTIMEOUT | MAGICCLOSE,
      nowayout: false,
      softNoboot: false,
      softRebootCmd: false,
      measuredFactor: null,
    },
    trueFactor,
    roundsToSeconds: 1,
    stuckAtSeconds: null,
  };
}
