/**
 * Starts the API process, and starts it again when it has ended. The child's standard input is a pipe
 * from here that carries nothing: its end tells the child that the core process is gone, however that
 * came.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";

import { backoffMs } from "../../kube/backoff.ts";

export type ApiSupervisorData = { readonly args: readonly string[] };
export type ApiSupervisorMessage = {
  readonly level: "info" | "warn";
  readonly message: string;
};

const PROGRAM = fileURLToPath(new URL("../../program/sbd.ts", import.meta.url));
/** With the core process it fits the container's limit. */
const HEAP_MB = 96;
const BACKOFF = { minMs: 200, maxMs: 30_000 };
/** Having run so long, it starts its backoff anew. */
const STABLE_MS = 30_000;

const { args } = workerData as ApiSupervisorData;
let failures = 0;

start();

function start(): void {
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${HEAP_MB}`, PROGRAM, "agent-api", ...args],
    {
      stdio: ["pipe", "inherit", "inherit"],
    },
  );
  let ended = false;
  const again = (how: string): void => {
    if (ended) {
      return;
    }
    ended = true;
    failures = performance.now() - startedMs >= STABLE_MS ? 1 : failures + 1;
    const waitMs = Math.round(backoffMs(BACKOFF, failures, Math.random()));
    tell("warn", `the API process ${how}; it is started again in ${waitMs} ms`);
    setTimeout(start, waitMs);
  };
  child.on("spawn", () => tell("info", `the API process runs as ${child.pid}`));
  child.on("error", (error) => again(`cannot be started: ${error.message}`));
  child.on("exit", (code, signal) => again(`ended with ${signal ?? `code ${code}`}`));
  child.stdin?.on("error", () => undefined);
}

function tell(level: ApiSupervisorMessage["level"], message: string): void {
  const report: ApiSupervisorMessage = { level, message };
  parentPort?.postMessage(report);
}
