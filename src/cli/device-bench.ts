import { setTimeout as delay } from "node:timers/promises";

import { CliError } from "./cli-error.ts";
import { adviseTimeout, summariseLatencies } from "./bench-advice.ts";
import { answerOf, openDeviceClient } from "./device-client.ts";
import { textFields } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type DeviceBenchOptions = {
  readonly path: string;
  readonly seconds: number;
  readonly passesPerSecond: number;
  /** How many processes read the whole device meanwhile, one read after the other. */
  readonly load: number;
  readonly failoverSeconds: number | null;
};

const GIVE_UP_MS = 600_000;

/**
 * `sbdctl device bench`: does what an agent's pass does, beside the running agents, and measures it. Changes
 * nothing on the device: what it writes is what it has read, in a slot that is nobody's.
 *
 * @throws {CliError} `DEVICE`, `DEVICE_SILENT`, `REFUSED` for a device without a readable header
 */
export async function benchDevice(options: DeviceBenchOptions, terminal: Terminal): Promise<void> {
  const { path, passesPerSecond, failoverSeconds } = options;
  const client = await openDeviceClient(path);
  const loads = await Promise.all(
    Array.from({ length: options.load }, () => openDeviceClient(path)),
  );
  let over = false;
  try {
    const { header } = await answerOf(terminal, path, client.ask({ op: "survey" }), GIVE_UP_MS);
    if (header.kind !== "header") {
      throw new CliError(
        "REFUSED",
        `${path} has no readable device header, so nobody knows where a write is safe, and nothing was ` +
          "measured. See 'sbdctl device show'.",
      );
    }
    const { timeoutMs } = header.header;
    const loading = loads.map(async (load) => {
      while (!over) await load.ask({ op: "survey" });
    });
    for (const read of loading) read.catch(() => undefined);
    const latencies: number[] = [];
    const endMs = performance.now() + options.seconds * 1_000;
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      const { tookMs } = await answerOf(
        terminal,
        path,
        client.ask({ op: "bench-pass" }),
        GIVE_UP_MS,
      );
      latencies.push(tookMs);
      // The load is ours to take away before it costs a node its life.
      over ||= tookMs > timeoutMs / 4;
      terminal.progress("bench", `${latencies.length} passes, the last in ${tookMs.toFixed(1)} ms`);
      await delay(Math.max(0, 1_000 / passesPerSecond - (performance.now() - startedMs)));
    }
    const latency = summariseLatencies(latencies);
    const advice = adviseTimeout(
      latency,
      failoverSeconds === null ? null : failoverSeconds * 1_000,
    );
    const inForceSeconds = timeoutMs / 1_000;
    terminal.answer(
      { path, latency, advice, inForceSeconds, loadStopped: over && options.load > 0 },
      textFields([
        ["passes", `${latency.passes} in ${options.seconds} s, beside ${options.load} readers`],
        ["p50, p99, p99.9", `${latency.p50Ms} ms, ${latency.p99Ms} ms, ${latency.p999Ms} ms`],
        ["longest", `${latency.longestMs} ms${over ? ": the load was taken away" : ""}`],
        ["advised T", advice.arithmetic],
        [
          "T in force",
          `${inForceSeconds} s` +
            (inForceSeconds < advice.timeoutSeconds
              ? ": SHORTER than advised; initialise the device anew, see docs/operations.md"
              : ""),
        ],
        ...(failoverSeconds === null
          ? ([["failover", "not measured: fail a path over while this runs"]] as const)
          : []),
      ]),
    );
  } finally {
    over = true;
    await Promise.all([client, ...loads].map((opened) => opened.close()));
  }
}
