/**
 * The agent's core process. It has no npm dependency, does no Kubernetes traffic and serves no HTTP:
 * all that is the API process's, which may crash, leak or hang without the verdict noticing.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";

import { isVirtualMachine, readBootID, readMachineID } from "../../platform/host-identity.ts";
import {
  openHostState,
  STATE_DIRECTORY_DEFAULT,
  type HostState,
} from "../../platform/host-state.ts";
import { lockMemory, setNiceness, setOomScoreAdjustment } from "../../platform/realtime.ts";
import { openSysrq, type Sysrq, SysrqError } from "../../platform/sysrq.ts";
import { watchdogName } from "../../platform/watchdog-holder.ts";
import { inspectWatchdog } from "../../platform/watchdog-inspection.ts";
import type { AgentConfig } from "../agent-config.ts";
import { runAgent } from "./agent-process.ts";
import { openApiLink, type ApiLink } from "./api-link.ts";
import { API_SOCKET } from "./api-socket.ts";
import { superviseApiProcess } from "./api-supervisor.ts";
import { readAgentOptions, type AgentOptions } from "./agent-options.ts";
import { startDiskWorker } from "../../platform/disk-worker-handle.ts";
import { createLineLogger, type LineLogger } from "../../program/line-logger.ts";
import { slotOnDevice } from "./slot-on-device.ts";
import { beginStart } from "./boot-memory.ts";
import { createWatchdogControl, lookAtWatchdog } from "./watchdog-control.ts";

/** Never chosen by the kernel when memory runs out; the API process goes first. */
const OOM_SCORE_ADJUSTMENT = -997;
/** Before every ordinary process; the disk worker, started later, has it too. */
const NICENESS = -20;
const STANDARD_OUTPUT = 1;
const REMIND_EVERY_MS = 60_000;
/** The API process starts and asks within the first of these. */
const LOOK_AT_DEVICE_EVERY_MS = 3_000;
const NO_GENTLE_REBOOT =
  "rebootMethod systemctl-reboot: the kernel stops watchdogs at reboot(2) here (stop_on_reboot is " +
  "not 0), and a node that hangs in its shutdown would live on. While armed, a node that is ordered " +
  "dead does what panic does; watchdog.stop_on_reboot=0 on the kernel's command line changes that";
const NO_SLOT =
  "waiting for the slot of this node: no SBDNode names it yet, or the API is out of reach. The node " +
  "is unarmed and cannot be fenced meanwhile; --node-id names a slot by hand";

/** @throws {FlagError} */
export function runAgentProgram(args: readonly string[]): void {
  const options = readAgentOptions(args, process.env);
  const logger = createLineLogger(STANDARD_OUTPUT, options.logLevel, { node: options.nodeName });
  try {
    start(options, args, logger);
  } catch (error) {
    fail(error, logger);
  }
}

/** Nothing was opened or armed: the container is started again. */
function fail(error: unknown, logger: LineLogger): void {
  logger.log("fatal", error instanceof Error ? error.message : String(error));
  logger.flush();
  process.exit(1);
}

function start(options: AgentOptions, args: readonly string[], logger: LineLogger): void {
  const { hostRoot } = options;
  for (const [wish, outcome] of [
    ["locked memory", lockMemory()],
    ["oom_score_adj", setOomScoreAdjustment(OOM_SCORE_ADJUSTMENT)],
    ["priority", setNiceness(NICENESS)],
  ] as const) {
    if (outcome.kind === "refused") {
      logger.log("warn", `going on without ${wish}: ${outcome.reason}`);
    }
  }
  const bootID = readBootID(hostRoot);
  const stateDirectory = join(hostRoot, STATE_DIRECTORY_DEFAULT);
  const hostState = openHostState(bootID, stateDirectory);
  const api = openApiLink(join(stateDirectory, API_SOCKET), logger);
  if (options.apiProcess) {
    superviseApiProcess(args, logger);
  }
  const known = options.nodeID ?? hostState.slot()?.nodeID ?? null;
  if (known !== null) {
    serve(options, known, { bootID, hostState, api, logger });
    return;
  }
  const { machineID } = readMachineID(hostRoot);
  const { nodeName, devicePath } = options;
  awaitSlot({ api, hostState, logger, devicePath, own: { nodeName, machineID } }, (nodeID) =>
    serve(options, nodeID, { bootID, hostState, api, logger }),
  );
}

/**
 * Until it knows its slot, an agent opens nothing and arms nothing; where this boot is latched, a
 * watchdog ticks that nobody pets. Its SBDNode tells the slot. Where nobody does for a while, as in a
 * boot that came back cut off, what stands on the device from the boot before does: a fencer waits for
 * this one to beat.
 */
function awaitSlot(
  waiting: {
    readonly api: ApiLink;
    readonly hostState: HostState;
    readonly logger: LineLogger;
    readonly devicePath: string;
    readonly own: { readonly nodeName: string; readonly machineID: string };
  },
  found: (nodeID: number) => void,
): void {
  const { api, hostState, logger, devicePath, own } = waiting;
  const worker = startDiskWorker(devicePath, () => undefined);
  let settled = false;
  const leave = (): void => {
    logger.flush();
    // oxlint-disable-next-line unicorn/no-process-exit -- the socket keeps this process alive
    process.exit(0);
  };
  const settle = (nodeID: number, how: string): void => {
    if (settled) {
      return;
    }
    settled = true;
    logger.log("info", `this node has slot ${nodeID}, as ${how}`);
    api.listen(() => undefined);
    clearInterval(reminder);
    clearInterval(look);
    process.off("SIGTERM", leave);
    process.off("SIGINT", leave);
    // A read that hangs in it does no harm, and nothing waits for it.
    void worker.close();
    try {
      found(nodeID);
    } catch (error) {
      fail(error, logger);
    }
  };
  const lookAtDevice = async (): Promise<void> => {
    try {
      const { heartbeats } = await worker.request({ op: "read-regions" });
      const nodeID = slotOnDevice(heartbeats, own);
      if (nodeID !== null) {
        settle(nodeID, "an earlier boot has left it on the device");
      }
    } catch (error) {
      logger.log("debug", `looking for the slot on the device: ${String(error)}`);
    }
  };
  const reminder = setInterval(() => logger.log("warn", NO_SLOT), REMIND_EVERY_MS);
  const look = setInterval(() => void lookAtDevice(), LOOK_AT_DEVICE_EVERY_MS);
  logger.log("info", NO_SLOT);
  process.on("SIGTERM", leave);
  process.on("SIGINT", leave);
  api.listen((message) => {
    if (message.type === "slot") {
      const { nodeID, sbdNode } = message;
      try {
        hostState.recordSlot({ nodeID, sbdNode });
      } catch (error) {
        fail(error, logger);
      }
      settle(nodeID, `${sbdNode} says`);
    }
  });
}

function serve(
  options: AgentOptions,
  nodeID: number,
  parts: {
    readonly bootID: string;
    readonly hostState: HostState;
    readonly api: ApiLink;
    readonly logger: LineLogger;
  },
): void {
  const { bootID, hostState, api, logger } = parts;
  const { hostRoot } = options;
  const { machineID } = readMachineID(hostRoot);
  const sysrq = trySysrq(hostRoot, logger);
  const memory = beginStart(hostState, bootID);
  const config: AgentConfig = {
    nodeName: options.nodeName,
    nodeID,
    bootID,
    machineID,
    virtual: isVirtualMachine(hostRoot),
    startSeed: randomBytes(6).toString("hex"),
    asked: options.asked,
    owner: options.owner,
    detectOnly: options.detectOnly,
    rebootMethod: options.rebootMethod,
    watchdogSurvivesReboot: survivesReboot(options),
    acceptUnverifiedWatchdogs: options.acceptUnverifiedWatchdogs,
    watchdog: lookAtWatchdog(options.watchdogPath, hostRoot, memory),
    memory,
  };
  logger.log("info", "starting", { bootID, machineID, nodeID, memory });
  if (config.rebootMethod === "systemctl-reboot" && !config.watchdogSurvivesReboot) {
    logger.log("warn", NO_GENTLE_REBOOT);
  }
  runAgent({
    config,
    devicePath: options.devicePath,
    api,
    followsSbdNode: options.nodeID === null,
    watchdogName: watchdogName(options.watchdogPath) ?? options.watchdogPath,
    hostState,
    watchdog: createWatchdogControl(options.watchdogPath, hostRoot, sysrq, memory),
    sysrq,
    logger,
  });
}

/** Without sysrq the watchdog alone ends the node: slower, and within the bound all the same. */
function trySysrq(hostRoot: string, logger: LineLogger): Sysrq | null {
  try {
    return openSysrq(hostRoot);
  } catch (error) {
    if (error instanceof SysrqError) {
      logger.log("warn", error.message);
      return null;
    }
    throw error;
  }
}

function survivesReboot(options: AgentOptions): boolean {
  try {
    return inspectWatchdog(options.watchdogPath, options.hostRoot).stopOnReboot === 0;
  } catch {
    return false;
  }
}
