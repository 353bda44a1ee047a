/**
 * A process with a petter, driven over its IPC channel: latch and passed deadline last as long as
 * the process does, so each test has one of its own.
 */
import fs from "node:fs";
import { Worker } from "node:worker_threads";

import { native } from "../native.ts";
import { latchPetter, petterStats, pushDeadline, startPetter, stopPetter } from "../petter.ts";

/** What the process can be told to do. Each is answered by one `PetterReply`. */
export type PetterCommand =
  | {
      readonly do: "start" | "start-in-worker";
      readonly watchdogFd: number;
      readonly sysrqFd: number;
      readonly periodMs: number;
      readonly deadlineNs: bigint;
    }
  | { readonly do: "push"; readonly deadlineNs: bigint }
  | { readonly do: "latch" | "stop" | "stats" }
  /** JavaScript does nothing else until then. */
  | { readonly do: "block"; readonly untilNs: bigint }
  | { readonly do: "open"; readonly path: string }
  /** Writes into a FIFO until it takes no more. */
  | { readonly do: "fill"; readonly path: string };

/** What it returned, or the `code` of what it threw. */
export type PetterReply = { readonly value: unknown } | { readonly code: string };

const SIGKILL = 9;
// A stopped or blocked process would outlive a test that was killed.
native.setParentDeathSignal(SIGKILL);

async function run(command: PetterCommand): Promise<unknown> {
  switch (command.do) {
    case "start":
      return startPetter(command);
    case "start-in-worker":
      return runInWorker(command);
    case "push":
      return pushDeadline(command.deadlineNs);
    case "latch":
      return latchPetter();
    case "stop":
      return stopPetter();
    case "stats":
      return petterStats();
    case "block":
      while (native.livedNs() < command.untilNs);
      return undefined;
    case "open":
      return native.open(command.path, fs.constants.O_WRONLY, 0);
    case "fill":
      return fill(command.path);
  }
}

/** The worker, and with it the isolate that started the petter, has ended when this resolves. */
async function runInWorker(command: PetterCommand): Promise<unknown> {
  const code = `
    const { workerData } = require("node:worker_threads");
    import(workerData.module).then(({ startPetter }) => startPetter(workerData.command));`;
  const module = new URL("../petter.ts", import.meta.url).href;
  const worker = new Worker(code, { eval: true, workerData: { module, command } });
  return await new Promise((resolve, reject) => {
    worker.once("exit", resolve).once("error", reject);
  });
}

function fill(path: string): void {
  const fd = native.open(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK, 0);
  while (native.writeByte(fd, 0) === 1);
}

process.on("message", (command: PetterCommand) => {
  void run(command).then(
    (value) => process.send?.({ value }),
    (error: unknown) =>
      process.send?.({ code: (error as { code?: string }).code ?? String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ value: "ready" });
