import { Worker } from "node:worker_threads";

import type { ApiSupervisorData, ApiSupervisorMessage } from "./api-supervisor-worker.ts";
import type { LineLogger } from "../../program/line-logger.ts";

/**
 * Keeps the API process running, from a thread of its own: starting a process waits for the kernel
 * to load it, which may take for ever where the system's disk hangs, and nothing of this process
 * waits for that.
 */
export function superviseApiProcess(args: readonly string[], logger: LineLogger): void {
  const workerData: ApiSupervisorData = { args };
  const worker = new Worker(new URL("api-supervisor-worker.ts", import.meta.url), {
    workerData,
    resourceLimits: { stackSizeMb: 1, maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  });
  worker.on("message", ({ level, message }: ApiSupervisorMessage) => logger.log(level, message));
  worker.on("error", (error) =>
    logger.log("error", `nobody restarts the API process any more: ${String(error)}`),
  );
}
