/**
 * The fencer of `fencerPlacement: Operator`: one process in an unprivileged pod. It holds no watchdog,
 * so what an agent keeps apart from Kubernetes traffic need not be kept apart here.
 */
import { createLineLogger, type LineLogger } from "../program/line-logger.ts";
import { createKubeClient } from "../kube/kube-client.ts";
import { loadKubeConfig } from "../kube/kube-config.ts";
import { readFencerOptions, type FencerOptions } from "./fencer-options.ts";
import { runFencer } from "./fencer-process.ts";

const STANDARD_OUTPUT = 1;
const STOP_WITHIN_MS = 5_000;

/** @throws {FlagError} */
export function runFencerProgram(args: readonly string[]): void {
  const options = readFencerOptions(args, process.env);
  const logger = createLineLogger(STANDARD_OUTPUT, options.logLevel, { fencer: options.podName });
  const end = (code: number): never => {
    logger.flush();
    process.exit(code);
  };
  void start(options, logger, end).catch((error: unknown) => {
    logger.log("fatal", error instanceof Error ? error.message : String(error));
    end(1);
  });
}

async function start(
  options: FencerOptions,
  logger: LineLogger,
  end: (code: number) => never,
): Promise<void> {
  const access = await loadKubeConfig(process.env);
  const client = createKubeClient(access, `sbd-fencer/${options.podName}`);
  logger.log("info", "starting", { config: options.configName, device: options.devicePath });
  const fencer = runFencer(client, options, logger, () => end(1));
  const stop = async (): Promise<void> => {
    await Promise.race([
      fencer.stop(),
      new Promise((resolve) => setTimeout(resolve, STOP_WITHIN_MS)),
    ]);
    end(0);
  };
  process.once("SIGTERM", () => void stop());
  process.once("SIGINT", () => void stop());
}
