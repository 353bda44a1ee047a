import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import type { PetterStats } from "../native.ts";
import { ByteLog } from "./byte-log.ts";
import type { PetterCommand, PetterReply } from "./petter-child.ts";

const CHILD = fileURLToPath(new URL("petter-child.ts", import.meta.url));

/** Descriptors in the child whose other ends are `watchdog` and `sysrq`. */
export const WATCHDOG_FD = 3;
export const SYSRQ_FD = 4;

/** A process with a petter, and what it writes to its watchdog and its sysrq trigger. */
export class PetterProcess {
  readonly watchdog: ByteLog;
  readonly sysrq: ByteLog;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.watchdog = new ByteLog(child.stdio[WATCHDOG_FD]);
    this.sysrq = new ByteLog(child.stdio[SYSRQ_FD]);
  }

  /** Started and ready; ends with the test. `through` is a program that is to exec the child. */
  static async start(context: TestContext, ...through: string[]): Promise<PetterProcess> {
    const [program, ...parameters] = [...through, process.execPath, CHILD];
    const child = spawn(program, parameters, {
      stdio: ["ignore", "inherit", "inherit", "pipe", "pipe", "ipc"],
      serialization: "advanced",
    });
    const ended = once(child, "exit");
    context.after(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    const [ready] = (await Promise.race([once(child, "message"), ended])) as [unknown];
    assert.deepEqual(ready, { value: "ready" });
    return new PetterProcess(child);
  }

  /** What the command returned, or `{ code }` of what it threw. */
  async tell(command: PetterCommand): Promise<unknown> {
    const reply = once(this.#process, "message");
    this.#process.send(command);
    const [answer] = (await reply) as [PetterReply];
    return "value" in answer ? answer.value : answer;
  }

  async stats(): Promise<PetterStats> {
    return (await this.tell({ do: "stats" })) as PetterStats;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends the process; both logs are complete when it resolves. */
  async end(): Promise<void> {
    this.#process.disconnect();
    await Promise.all([this.watchdog.ended, this.sysrq.ended]);
  }
}
