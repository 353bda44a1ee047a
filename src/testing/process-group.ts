/**
 * The processes of one boot of one virtual machine: one process group, started and ended as a whole.
 *
 * A small shell is the group's leader and starts what it is told to. When its standard input ends,
 * because this process closed it or was killed, it kills the whole group, itself included: nothing
 * outlives its supervisor. A process that leaves the group (setsid, setpgid) escapes; none of ours
 * does.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readdirSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { quoted } from "./shell-words.ts";

/** One command line; its output is appended to `logPath`. */
export type GroupCommand = {
  readonly name: string;
  readonly argv: readonly string[];
  /** Everything it finds in its environment, but for PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
};

export type GroupListener = {
  started(name: string, pid: number): void;
  /** `code` is null when a signal ended it. */
  exited(name: string, code: number | null, signal: NodeJS.Signals | null): void;
};

export type ProcessGroup = {
  readonly pgid: number;
  start(command: GroupCommand): void;
  /** Everything in the group but its leader: SIGSTOP. Returns when all of it stands still. */
  freeze(): Promise<void>;
  thaw(): void;
  /**
   * SIGKILLs the group and waits until no thread of it is left.
   *
   * @throws {Error} when one still is after `withinMs`: it may be in an I/O that does not end.
   */
  kill(withinMs: number): Promise<void>;
};

type Member = { readonly pid: number; readonly state: string; readonly threads: number };

const INIT_SCRIPT = 'while IFS= read -r line; do eval "$line"; done; kill -9 0';
const POLL_MS = 1;
const FREEZE_ROUNDS_MAX = 1000;

export function createProcessGroup(listener: GroupListener, initLogPath: string): ProcessGroup {
  const log = openSync(initLogPath, "a");
  const init = spawn("/bin/sh", ["-c", INIT_SCRIPT], {
    detached: true,
    stdio: ["pipe", "pipe", log],
    env: baseEnvironment(),
  });
  closeSync(log);
  const { pid: pgid, stdin, stdout } = init;
  if (pgid === undefined || stdin === null || stdout === null) {
    throw new Error("Cannot start /bin/sh, so no process of the virtual node can run");
  }
  // Its death is looked at through the group; a write after it must not bring this process down.
  stdin.on("error", () => {});
  const lines = createInterface({ input: stdout });
  lines.on("line", (line) => report(listener, line));

  return {
    pgid,
    start: (command) => void stdin.write(`${commandLine(command)}\n`),
    async freeze() {
      for (let round = 0; round < FREEZE_ROUNDS_MAX; round += 1) {
        const running = members(pgid).filter(({ pid, state }) => pid !== pgid && state !== "T");
        if (running.length === 0) return;
        for (const { pid } of running) signalIfThere(pid, "SIGSTOP");
        await delay(POLL_MS);
      }
      throw new Error(`Process group ${pgid} does not stand still after SIGSTOP`);
    },
    thaw: () => signalIfThere(-pgid, "SIGCONT"),
    async kill(withinMs) {
      const endMs = performance.now() + withinMs;
      signalIfThere(-pgid, "SIGKILL");
      for (;;) {
        const left = members(pgid);
        if (left.length === 0) return;
        if (performance.now() > endMs) {
          const pids = left.map(({ pid, state }) => `${pid} (${state})`).join(", ");
          throw new Error(
            `The virtual node is not dead ${withinMs} ms after SIGKILL: still there: ${pids}`,
          );
        }
        // Again, for what was forked by a member while the first signal went round.
        signalIfThere(-pgid, "SIGKILL");
        await delay(POLL_MS);
      }
    },
  };
}

function baseEnvironment(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: process.env["HOME"] ?? "/" };
}

/** Starts it, reports its process ID, waits for it, reports how it ended; all in the background. */
function commandLine({ name, argv, env, logPath }: GroupCommand): string {
  const variables = Object.entries(env);
  const words = ["env", ...variables.map(([key, value]) => `${key}=${value}`), ...argv];
  if ([name, logPath, ...words].some((word) => word.includes("\n"))) {
    throw new Error(`Cannot start '${name}': a line break in its command line or environment`);
  }
  const run = `${words.map(quoted).join(" ")} </dev/null >>${quoted(logPath)} 2>&1`;
  const label = quoted(name);
  return `{ ${run} & echo started ${label} $!; wait $!; echo exited ${label} $?; } &`;
}

function report(listener: GroupListener, line: string): void {
  const match = /^(started|exited) (.*) (\d+)$/u.exec(line);
  if (match === null) throw new Error(`The virtual node's init says '${line}'`);
  const [, what, name = "", number = ""] = match;
  if (what === "started") return listener.started(name, Number(number));
  // A shell reports the death by signal n as 128 + n.
  const signal = signalNamed(Number(number) - 128);
  listener.exited(name, signal === null ? Number(number) : null, signal);
}

function signalNamed(number: number): NodeJS.Signals | null {
  const entry = Object.entries(osConstants.signals).find(([, value]) => value === number);
  return entry === undefined ? null : (entry[0] as NodeJS.Signals);
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Members that still run something. A zombie does not, unless other threads of it are left. */
function members(pgid: number): Member[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .map((name) => memberOf(pgid, Number(name)))
    .filter((member) => member !== null);
}

function memberOf(pgid: number, pid: number): Member | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  // After the name, which may hold anything: state, ppid, pgrp, ..., num_threads as the 18th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = "", , group] = fields;
  const threads = Number(fields[17]);
  if (Number(group) !== pgid || state === "X" || (state === "Z" && threads <= 1)) return null;
  return { pid, state, threads };
}
