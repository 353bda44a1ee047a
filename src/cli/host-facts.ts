import fs from "node:fs";
import { join } from "node:path";

import { findWatchdogHolder } from "../platform/watchdog-holder.ts";
import type { AgentFacts, CpuLimit, SystemdSetting } from "./doctor-facts.ts";

const WATCHDOG_SETTINGS = ["RuntimeWatchdogSec", "WatchdogDevice", "RebootWatchdogSec"] as const;
const SCHED_FIFO = "1";
/** Fields of /proc/PID/stat after the command's name; man 5 proc_pid_stat counts from 1. */
const STAT_POLICY = 41 - 3;

/**
 * What systemd's manager is told about watchdogs: system.conf, then the drop-ins by their names, of
 * which one in /etc hides one of the same name in /run or /usr/lib. Source: man 5 systemd-system.conf.
 */
export function systemdWatchdogSettings(hostRoot: string): readonly SystemdSetting[] {
  const dropIns = new Map<string, string>();
  for (const folder of ["usr/lib", "run", "etc"]) {
    const path = join(hostRoot, folder, "systemd/system.conf.d");
    for (const name of namesIn(path)) {
      if (name.endsWith(".conf")) dropIns.set(name, join(path, name));
    }
  }
  const ordered = [...dropIns].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  const inForce = new Map<string, SystemdSetting>();
  for (const file of [join(hostRoot, "etc/systemd/system.conf"), ...ordered]) {
    for (const line of (textOf(file) ?? "").split("\n")) {
      const [, name = "", value = ""] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (WATCHDOG_SETTINGS.some((known) => known === name))
        inForce.set(name, { name, value, file });
    }
  }
  return [...inForce.values()];
}

/**
 * The agent of this machine: who holds the watchdog where that is an agent, else the first process
 * that was started as one.
 *
 * @param watchdog name of the watchdog, `watchdog0`; null where there is none
 */
export function agentFacts(hostRoot: string, watchdog: string | null): AgentFacts | null {
  const holder = watchdog === null ? null : findWatchdogHolder(watchdog, hostRoot);
  const pids = namesIn(join(hostRoot, "proc"))
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isAgent(hostRoot, pid));
  const pid = pids.find((candidate) => candidate === holder?.pid) ?? pids[0];
  if (pid === undefined) return null;
  const process = join(hostRoot, "proc", String(pid));
  return {
    pid,
    fifoThreads: namesIn(join(process, "task")).filter(
      (thread) => schedulingPolicy(join(process, "task", thread, "stat")) === SCHED_FIFO,
    ).length,
    oomScoreAdjustment: numberOf(join(process, "oom_score_adj")),
    cpuLimits: cpuLimits(hostRoot, textOf(join(process, "cgroup")) ?? ""),
  };
}

/** `node …/sbd.mjs agent`, or `sbd agent`. */
function isAgent(hostRoot: string, pid: number): boolean {
  const words = (textOf(join(hostRoot, "proc", String(pid), "cmdline")) ?? "").split("\0");
  const program = words.findIndex((word) => /(^|\/)sbd(\.m?[jt]s)?$/.test(word));
  return program >= 0 && words[program + 1] === "agent";
}

function schedulingPolicy(statPath: string): string | null {
  const text = textOf(statPath) ?? "";
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[STAT_POLICY] ?? null;
}

/**
 * Of cgroup v2, from the process's own group to the root. In a cgroup namespace of another process the
 * path may lead out of what is seen here (`..`), and then nothing is known.
 */
function cpuLimits(hostRoot: string, membership: string): CpuLimit[] {
  const [, path = ".."] = /^0::(.*)$/m.exec(membership) ?? [];
  if (path.includes("..")) return [];
  const limits: CpuLimit[] = [];
  const parts = path.split("/").filter((part) => part !== "");
  for (let depth = parts.length; depth >= 0; depth -= 1) {
    const cgroup = `/${parts.slice(0, depth).join("/")}`;
    const [quota, period] = (
      textOf(join(hostRoot, "sys/fs/cgroup", cgroup, "cpu.max")) ?? "max"
    ).split(" ");
    if (quota !== undefined && quota !== "max") {
      limits.push({ cgroup, quotaUs: Number(quota), periodUs: Number(period ?? 100_000) });
    }
  }
  return limits;
}

export function numberOf(path: string): number | null {
  const text = textOf(path);
  const value = Number(text);
  return text === null || text === "" || !Number.isFinite(value) ? null : value;
}

/** Null for what is not there, or not to be read: each is a fact here, and no failure. */
export function textOf(path: string): string | null {
  try {
    return fs.readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}

export function namesIn(path: string): readonly string[] {
  try {
    return fs.readdirSync(path);
  } catch {
    return [];
  }
}
