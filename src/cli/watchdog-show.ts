import fs from "node:fs";
import { join } from "node:path";

import { listWatchdogs, type WatchdogInspection } from "../platform/watchdog-inspection.ts";
import { seconds } from "../timing/contract.ts";
import type { JsonObject } from "./json.ts";
import { textFields } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";
import { opinionOf, type WatchdogOpinion } from "./watchdog-opinion.ts";

export type WatchdogShowOptions = {
  readonly watchdogTimeoutSeconds: number;
  readonly hostRoot: string;
};

/** Of linux/watchdog.h: what WDIOC_GETBOOTSTATUS says of the last boot. */
const BOOT_STATUS: readonly (readonly [bit: number, meaning: string])[] = [
  [0x0001, "overheated"],
  [0x0002, "fan failed"],
  [0x0004, "external relay 1"],
  [0x0008, "external relay 2"],
  [0x0010, "power was low"],
  [0x0020, "this watchdog reset the machine"],
  [0x0040, "power was high"],
];

/** Bit of kernel.sysrq that allows a reboot; 1 allows everything. */
const SYSRQ_REBOOT = 128;

type Sysrq = { readonly value: number; readonly rebootEnabled: boolean };

/** `sbdctl watchdog show`: reads sysfs and /proc, opens no watchdog. */
export function showWatchdogs(
  { watchdogTimeoutSeconds, hostRoot }: WatchdogShowOptions,
  terminal: Terminal,
): void {
  const watchdogMs = watchdogTimeoutSeconds * 1_000;
  const seen = listWatchdogs(hostRoot).map((watchdog) => ({
    watchdog,
    opinion: opinionOf(watchdog, watchdogMs),
  }));
  const stopOnReboot = numberIn(join(hostRoot, "sys/module/watchdog/parameters/stop_on_reboot"));
  const sysrq = readSysrq(hostRoot);
  terminal.answer(
    {
      watchdogTimeoutSeconds,
      watchdogs: seen.map(({ watchdog, opinion }) => documentOf(watchdog, opinion)),
      stopOnReboot,
      sysrq,
    },
    [
      seen.length === 0
        ? "This machine has no watchdog that the kernel knows, so nothing would reset it if it hung, and " +
          "it cannot be armed. Load the driver of its hardware watchdog."
        : seen.map(({ watchdog, opinion }) => textOf(watchdog, opinion)).join("\n\n"),
      textFields([
        ["stop_on_reboot", stopOnRebootText(stopOnReboot)],
        ["kernel.sysrq", sysrqText(sysrq)],
      ]),
    ].join("\n\n"),
  );
}

function documentOf(watchdog: WatchdogInspection, opinion: WatchdogOpinion): JsonObject {
  const { stopOnReboot: _, holder, bootstatus, ...same } = watchdog;
  return {
    ...same,
    holder: holder ?? null,
    bootstatus,
    bootstatusMeaning: bootStatusMeanings(bootstatus),
    judgement: opinion,
  };
}

function textOf(watchdog: WatchdogInspection, opinion: WatchdogOpinion): string {
  const { holder, minTimeoutSeconds, maxTimeoutSeconds, timeoutSeconds } = watchdog;
  const meanings = bootStatusMeanings(watchdog.bootstatus);
  return [
    `${watchdog.device}: ${opinion.usable ? "usable" : "REFUSED"}`,
    textFields([
      ["  identity", watchdog.identity ?? "unknown"],
      ["  driver", watchdog.driver ?? "unknown"],
      ["  state", watchdog.state],
      ["  timeout", timeoutSeconds === null ? "unknown" : `${timeoutSeconds} s`],
      ["  range", `${minTimeoutSeconds ?? "?"} to ${maxTimeoutSeconds ?? "?"} s`],
      ["  nowayout", watchdog.nowayout === null ? "unknown" : watchdog.nowayout ? "yes" : "no"],
      ["  held by", holder === undefined ? "nobody seen" : `${holder.command} (${holder.pid})`],
      [
        "  last boot",
        watchdog.bootstatus === null ? "unknown" : meanings.join(", ") || "nothing to report",
      ],
      [
        "  judgement",
        opinion.usable
          ? `set to ${opinion.timeoutSeconds} s it resets within ${seconds(opinion.effectiveMs)} ` +
            `(${opinion.factor} s for each second of timeout)`
          : opinion.message,
      ],
    ]),
  ].join("\n");
}

function bootStatusMeanings(bootstatus: number | null): string[] {
  return BOOT_STATUS.filter(([bit]) => ((bootstatus ?? 0) & bit) !== 0).map(([, text]) => text);
}

function readSysrq(hostRoot: string): Sysrq | null {
  const value = numberIn(join(hostRoot, "proc/sys/kernel/sysrq"));
  return value === null
    ? null
    : { value, rebootEnabled: value === 1 || (value & SYSRQ_REBOOT) !== 0 };
}

function stopOnRebootText(value: number | null): string {
  switch (value) {
    case null:
      return "unknown: the watchdog core shows no such parameter";
    case 0:
      return "0: a reboot leaves the watchdog ticking, as it should";
    case 1:
      return "1: reboot(2) stops the watchdog first, so a reboot that hangs is never cut short";
    default:
      return `${value}: as the driver has it, and most stop on reboot(2)`;
  }
}

function sysrqText(sysrq: Sysrq | null): string {
  if (sysrq === null) {
    return "unknown: there is no /proc/sys/kernel/sysrq, so the watchdog alone may have to reset it";
  }
  return sysrq.rebootEnabled
    ? `${sysrq.value}: reboot is enabled`
    : `${sysrq.value}: reboot is not enabled; the agent enables it, and most kernels do not ask`;
}

function numberIn(path: string): number | null {
  try {
    const value = Number.parseInt(fs.readFileSync(path, "utf8"), 10);
    return Number.isSafeInteger(value) ? value : null;
  } catch {
    return null;
  }
}
