import { isArmed } from "../agent-state.ts";
import { NODE_ID, type Happening, type Host } from "./host.ts";
import { describeBeat } from "./records.ts";
import type { CommandWords } from "./scenario-file.ts";
import { instant } from "./timeline.ts";

/** Something that must not have happened by the end of the scenario. */
export type Ban = { readonly line: string; readonly what: BanKind; readonly afterMs: number };

type BanKind = Happening | "pet" | "opened" | "dead";

const BANS: { readonly [Words in string]: BanKind } = {
  beats: "beat",
  acknowledges: "acknowledged",
  reboots: "reboot",
  "calls systemctl": "systemctl",
  latches: "latched",
  "releases the watchdog": "released",
  exits: "exit",
  "opens the watchdog": "opened",
  pets: "pet",
  dies: "dead",
};

/** `never opens the watchdog`, `never pets after 6.0`. */
export function parseBan(words: CommandWords): Ban {
  const [what = "", after] = words.rest().split(" after ");
  const kind = Object.hasOwn(BANS, what) ? BANS[what] : undefined;
  if (kind === undefined) throw words.bad(`knows no '${what}'`);
  const afterMs = after === undefined ? -Infinity : words.toNumber(after) * 1_000;
  return { line: words.line, what: kind, afterMs };
}

/** @throws Error when it has happened */
export function requireUnbroken(host: Host, ban: Ban): void {
  const broken = instantsOf(host, ban.what).find((atMs) => atMs > ban.afterMs);
  if (broken !== undefined) {
    throw new Error(`'${ban.line}' is broken: it happened at ${instant(broken)}`);
  }
}

function instantsOf(host: Host, what: BanKind): number[] {
  switch (what) {
    case "pet":
      return host.watchdog?.pets.map(({ atMs }) => atMs) ?? [];
    case "opened":
      return host.watchdog?.openings ?? [];
    case "dead":
      return host.deaths.map(({ atMs }) => atMs);
    default:
      return host.happenings.filter((one) => one.what === what).map(({ atMs }) => atMs);
  }
}

/** @throws Error when it is otherwise */
export function checkExpectation(host: Host, words: CommandWords): void {
  const text = words.rest();
  const [what, argument] = split(text);
  const actual = answers(host)[what];
  if (actual === undefined) throw words.bad(`knows no '${what}'`);
  const outcome = actual(argument, words);
  if (outcome !== null) throw words.bad(outcome);
}

/** Null where it is as expected, else what is the case instead. */
type Check = (argument: string, words: CommandWords) => string | null;

function answers(host: Host): Readonly<Record<string, Check>> {
  const { process, watchdog, death } = host;
  const state = process?.state;
  return {
    alive: () => (death === null ? null : `dead at ${instant(death.atMs)} by ${death.by}`),
    "dead by": (argument, words) => {
      const [when = "", by] = argument.split(" of ");
      if (death === null) return `alive at ${instant(host.nowMs)}`;
      const late = death.atMs > words.toNumber(when) * 1_000;
      return late || (by !== undefined && death.by !== by)
        ? `dead at ${instant(death.atMs)} of ${death.by}`
        : null;
    },
    exited: (argument) => same(String(host.exitCode), argument),
    life: (argument) => same(state?.life.kind ?? "gone", argument),
    armed: () => (state !== undefined && isArmed(state) ? null : "it is not armed"),
    unarmed: () => (state !== undefined && !isArmed(state) ? null : "it is armed or gone"),
    watchdog: (argument) =>
      same(
        watchdog?.ticking === true ? `ticks with ${watchdog.timeoutSeconds} s` : "off",
        argument,
      ),
    deadline: (argument) => same(instant(process?.petter.deadlineMs ?? Infinity), argument),
    slot: (argument) => {
      const slot = host.device.heartbeat(NODE_ID);
      return same(slot.kind === "heartbeat" ? describeBeat(slot.record) : slot.kind, argument);
    },
    "slot W": (argument) => {
      const slot = host.device.heartbeat(NODE_ID);
      const watchdogMs = slot.kind === "heartbeat" ? slot.record.watchdogMs : NaN;
      return same(instant(watchdogMs), argument);
    },
    fence: (argument) => same(host.device.fence(NODE_ID).kind, argument),
    mark: (argument) => same(host.run.mark === null ? "none" : "kept", argument),
  };
}

function split(text: string): [string, string] {
  const known = [
    "dead by",
    "alive",
    "exited",
    "life",
    "armed",
    "unarmed",
    "watchdog",
    "deadline",
    "slot W",
    "slot",
    "fence",
    "mark",
  ];
  const found = known.find((one) => text === one || text.startsWith(`${one} `));
  return found === undefined ? [text, ""] : [found, text.slice(found.length + 1)];
}

function same(actual: string, expected: string): string | null {
  return actual === expected ? null : `it is ${actual}`;
}
