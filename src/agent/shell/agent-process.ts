import { randomBytes } from "node:crypto";

import { narrateFencer } from "../../fencing/driver/fencer-narration.ts";
import { answerWith, fenceDevice } from "../../fencing/shell/fence-device.ts";
import { startDiskWorker, type DiskWorker } from "../../platform/disk-worker-handle.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { HostState } from "../../platform/host-state.ts";
import { native } from "../../platform/native.ts";
import type { Sysrq } from "../../platform/sysrq.ts";
import type { LineLogger } from "../../program/line-logger.ts";
import type { AgentConfig } from "../agent-config.ts";
import { createAgentDriver } from "../driver/agent-driver.ts";
import type { AgentDevice, AgentHostState, AgentWatchdog } from "../driver/agent-ports.ts";
import type { RebootMethod } from "../effect.ts";
import type { ApiLink } from "./api-link.ts";

/** What the agent's process is made of; all of it exists before the first pass. */
export type AgentProcessOptions = {
  readonly config: AgentConfig;
  readonly devicePath: string;
  readonly api: ApiLink;
  /** The slot was told by its SBDNode, not by the administrator: it moves when that does. */
  readonly followsSbdNode: boolean;
  readonly watchdogName: string;
  readonly hostState: HostState;
  readonly watchdog: AgentWatchdog;
  readonly sysrq: Sysrq | null;
  readonly logger: LineLogger;
};

/** Finer than any interval the core counts by. */
const TICK_MS = 50;

/**
 * The core process: gives the agent's driver a real device, watchdog, host and socket. Nothing here
 * blocks but what the kernel answers at once; the device is the disk worker's.
 */
export function runAgent(options: AgentProcessOptions): void {
  const { config, watchdog, logger, api } = options;
  const worker = startDiskWorker(options.devicePath, () => {
    logger.log("error", "the disk worker died and was replaced");
    agent.diskWorkerReplaced();
  });
  const agent = createAgentDriver(config, {
    clock: hostClock,
    nonce: () => randomBytes(16).toString("hex"),
    device: agentDevice(worker),
    watchdog,
    hostState: agentHostState(options),
    send: (message) => api.send(message),
    tell: (status) => api.send({ type: "status", status: status() }),
    reboot: (method) => reboot(method, options),
    exit: (code) => exit(code, logger),
    log: (level, message) => logger.log(level, message),
    logFencing: (level, message) => logger.log(level, message),
    watch: {
      fencerStepped: (step) => narrateFencer(step).forEach((line) => logger.log("info", line)),
    },
  });
  api.listen((message) => {
    // A slot that --node-id names counts, whatever an SBDNode says.
    if (message.type !== "slot" || options.followsSbdNode) {
      agent.receive(message);
    }
  });
  process.on("SIGTERM", () => agent.terminate());
  process.on("SIGINT", () => agent.terminate());
  setInterval(() => agent.tick(), TICK_MS);
}

function agentDevice(worker: DiskWorker): AgentDevice {
  return {
    ...fenceDevice(worker),
    readPass(nodeID, answer) {
      void answerWith(worker.request({ op: "read-pass", nodeID }), answer);
    },
    writeHeartbeat(record, urgency, answer) {
      const request = { op: "write-heartbeat", record } as const;
      const written = worker.request(request, urgency === "urgent" ? urgency : undefined);
      void answerWith(written, answer);
    },
    readRegions(answer) {
      void answerWith(worker.request({ op: "read-regions" }), answer);
    },
  };
}

function agentHostState({
  config,
  hostState,
  watchdogName,
  logger,
}: AgentProcessOptions): AgentHostState {
  return {
    keepFirstRead(device, messages) {
      hostState.claim({ ...device, watchdog: watchdogName });
      hostState.recordFirstRead({ messages });
    },
    forgetUncleanStarts: () => hostState.forgetUncleanStarts(),
    recordLatch: (mark) => hostState.recordLatch(mark),
    recordSlot({ nodeID, sbdNode }) {
      hostState.recordSlot({ nodeID, sbdNode });
      logger.log("warn", `this node has slot ${nodeID} now (${sbdNode}); leaving ${config.nodeID}`);
    },
    endInOrder: (end) => hostState.endInOrder(end),
    disown: () => hostState.disown(),
  };
}

function reboot(method: RebootMethod, { sysrq, logger }: AgentProcessOptions): void {
  logger.log("fatal", `rebooting this node: ${method}`);
  if (method === "systemctl-reboot") {
    const command = ["/usr/bin/systemctl", "reboot", "--force", "--force"];
    // A host without systemd reboots as with `panic`.
    if (native.runInHostNamespaces(command) >= 0) {
      return;
    }
  }
  try {
    sysrq?.reboot();
  } catch (error) {
    logger.log("fatal", error instanceof Error ? error.message : String(error));
  }
}

function exit(code: number, logger: LineLogger): void {
  logger.log("info", `exiting with ${code}`);
  logger.flush();
  // oxlint-disable-next-line unicorn/no-process-exit -- the core has decided that this process ends
  process.exit(code);
}
