/**
 * Real agents, both processes of each, on virtual machines around one real device, with an embedded
 * API server that has all that `kubectl apply -k deploy/` brings. The test plays the operator.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { API_VERSION, SYSTEM_NAMESPACE } from "../../../api/group.ts";
import { NODE_OPTIONS } from "../../../operator/pod-parts.ts";
import { deployManifests } from "../../../testing/deploy-manifests.ts";
import {
  createFaultControl,
  faultEnvironment,
  type FaultControl,
} from "../../../testing/fault-control.ts";
import { createVirtualDevice, type VirtualDevice } from "../../../testing/virtual-device.ts";
import { createVirtualNode, type VirtualNode } from "../../../testing/virtual-node.ts";
import { startApiServer, type ApiServer } from "../../../testing/apiserver/start-api-server.ts";
import { sbdConfigObject } from "../../../testing/sbd-config-object.ts";

export const CONFIG_NAME = "config";
export const TIMEOUT_SECONDS = 6;
const WATCHDOG_SECONDS = 4;
const SBD = fileURLToPath(new URL("../../../program/sbd.ts", import.meta.url));
const SBDCTL = fileURLToPath(new URL("../../../../bin/sbdctl", import.meta.url));

export type LiveCluster = {
  readonly server: ApiServer;
  readonly device: VirtualDevice;
  /** Makes a machine of that name, boots nothing; a Node of its name is there then. */
  addNode(name: string): VirtualNode;
  /** What a node's path to the device does to its I/O. */
  faults(node: VirtualNode): FaultControl;
  /** Gives a node a slot. */
  addSbdNode(nodeName: string, nodeID: number): void;
  /** Every line that a node's agent has logged, both processes'. */
  log(node: VirtualNode): readonly LogLine[];
  /** Starts a program beside the machines; it ends with the cluster at the latest. */
  startProgram(name: string, program: LiveProgram): ChildProcess;
  /** Every line that programs of that name have logged. */
  programLog(name: string): readonly LogLine[];
  /** A kubeconfig file for a token. */
  kubeconfig(name: string, token: string): string;
  close(): Promise<void>;
};

export type LiveProgram = {
  /** Which of sbd's programs. */
  readonly word: "operator" | "fencer";
  readonly token: string;
  readonly environment: Readonly<Record<string, string>>;
};

export type LogLine = {
  readonly level: string;
  readonly msg: string;
  readonly process?: string;
};

/**
 * @param spec of the SBDConfig, over what it has anyway
 * @param sbd the program: its source, or one of a bundle
 */
export async function createLiveCluster(
  onStorageLoss: "SelfFence" | "SurviveWithApi" = "SelfFence",
  spec: Readonly<Record<string, unknown>> = {},
  sbd: string = SBD,
): Promise<LiveCluster> {
  const directory = fs.mkdtempSync(join(tmpdir(), "sbd-live-"));
  const device = createVirtualDevice({ directory });
  const server = await startApiServer();
  const machines = new Map<VirtualNode, FaultControl>();
  server.objects.load(deployManifests());
  server.objects.load([
    sbdConfigObject(CONFIG_NAME, {
      sbdTimeoutSeconds: TIMEOUT_SECONDS,
      watchdogTimeoutSeconds: WATCHDOG_SECONDS,
      onStorageLoss,
      ...spec,
    }),
  ]);
  await promisify(execFile)(SBDCTL, [
    "device",
    "init",
    device.path,
    "--timeout-seconds",
    String(TIMEOUT_SECONDS),
    "--watchdog-timeout-seconds",
    String(WATCHDOG_SECONDS),
    "--on-storage-loss",
    onStorageLoss,
    "--cluster",
    "live",
    "--local-storage",
  ]);

  const programs: ChildProcess[] = [];
  const programLogPath = (name: string): string => join(directory, `${name}.log`);
  const writeKubeconfig = (name: string, token: string): string => {
    const path = join(directory, `${name}.kubeconfig`);
    fs.writeFileSync(path, server.kubeconfig(token));
    return path;
  };

  return {
    server,
    device,
    kubeconfig: writeKubeconfig,
    startProgram(name, { word, token, environment }) {
      const log = fs.openSync(programLogPath(name), "a");
      // Ends with this process, also when that is killed: the kernel sees to it.
      const program = spawn("setpriv", ["--pdeathsig", "KILL", process.execPath, sbd, word], {
        stdio: ["ignore", log, log],
        env: {
          PATH: process.env["PATH"],
          HOME: process.env["HOME"],
          KUBECONFIG: writeKubeconfig(name, token),
          ...environment,
        },
      });
      fs.closeSync(log);
      programs.push(program);
      return program;
    },
    programLog: (name) => linesIn(programLogPath(name)),
    addNode(name) {
      const labels = { "kubernetes.io/os": "linux" };
      server.objects.load([{ apiVersion: "v1", kind: "Node", metadata: { name, labels } }]);
      const own = join(directory, name);
      fs.mkdirSync(own);
      const token = server.tokenFor(SYSTEM_NAMESPACE, "sbd-agent", { nodeName: name });
      const kubeconfig = writeKubeconfig(name, token);
      const faults = createFaultControl(join(own, "faults"));
      const machine = createVirtualNode({
        name,
        machineID: (machines.size + 1).toString(16).padStart(32, "a"),
        directory: own,
        watchdog: { identity: "i6300ESB timer", timeoutSeconds: 30 },
        bootDelayMs: 500,
        commands: (node) => [
          {
            name: "agent",
            argv: [process.execPath, sbd, "agent"],
            env: {
              ...node.environment,
              ...faultEnvironment(faults, device.path),
              KUBECONFIG: kubeconfig,
              NODE_NAME: name,
              SBD_CONFIG_NAME: CONFIG_NAME,
              SBD_DEVICE_PATH: device.path,
              SBD_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
              SBD_HOST_ROOT: node.hostRoot,
              NODE_OPTIONS,
              SBD_METRICS_ADDRESS: "127.0.0.1",
              SBD_METRICS_PORT: "0",
            },
            restart: "always",
          },
        ],
      });
      machines.set(machine, faults);
      return machine;
    },
    faults(node) {
      const faults = machines.get(node);
      if (faults === undefined) throw new Error(`${node.name} is none of this cluster's nodes`);
      return faults;
    },
    addSbdNode(nodeName, nodeID) {
      server.objects.load([
        {
          apiVersion: API_VERSION,
          kind: "SBDNode",
          metadata: { name: `${CONFIG_NAME}-${nodeID}` },
          spec: { configName: CONFIG_NAME, nodeName, nodeID },
        },
      ]);
    },
    log: (node) => linesIn(join(node.logDirectory, "agent.log")),
    async close() {
      await Promise.all(programs.map(killed));
      await Promise.all([...machines.keys()].map((machine) => machine.close()));
      await server.close();
      device.close();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function killed(program: ChildProcess): Promise<void> {
  if (program.exitCode === null && program.signalCode === null) {
    const ended = new Promise((resolve) => program.once("exit", resolve));
    program.kill("SIGKILL");
    await ended;
  }
}

/** Lines of JSON; what Node itself prints is kept as it is, and a half line waits. */
function linesIn(path: string): LogLine[] {
  if (!fs.existsSync(path)) {
    return [];
  }
  const lines = fs.readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    try {
      return JSON.parse(line) as LogLine;
    } catch {
      return { level: "raw", msg: line };
    }
  });
}
