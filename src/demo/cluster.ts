/**
 * A cluster on one machine: real agents on virtual hardware around one real shared device, real
 * operators, and an embedded API server that all of them, and `kubectl`, talk to over HTTP.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { openSlotDevice, type SlotDevice } from "../platform/slot-device.ts";
import type { OnStorageLoss } from "../protocol/device-header.ts";
import {
  createFaultControl,
  faultEnvironment,
  type FaultControl,
} from "../testing/fault-control.ts";
import { readNumberedLines, type NumberedLine } from "../testing/numbered-writer.ts";
import { createVirtualDevice, type VirtualDevice } from "../testing/virtual-device.ts";
import {
  createVirtualNode,
  type VirtualNode,
  type VirtualProcess,
} from "../testing/virtual-node.ts";
import { CONFIG_NAME, startKubernetes, type Kubernetes } from "./kubernetes.ts";
import type { Workload } from "./stand-in-controllers.ts";

export const TIMEOUT_SECONDS = 6;
/** Longer than kubelets may be silent: a node that hangs is noticed before its watchdog fires. */
export const WATCHDOG_SECONDS = 6;
export const NODE_NAMES = ["worker-1", "worker-2", "worker-3", "worker-4"] as const;

const OPERATOR_NAMES = ["sbd-operator-a", "sbd-operator-b"] as const;
const BOOT_DELAY_MS = 4_000;
const WRITE_EVERY_MS = 100;
const LEASE_SECONDS = 4;
const NODE_FLAGS = ["--max-old-space-size=96"];

export type DemoNode = {
  readonly name: string;
  readonly machine: VirtualNode;
  /** What its path to the shared device does to its I/O. */
  readonly faults: FaultControl;
};

export type DemoOperator = { readonly name: string; readonly process: ChildProcess };

export type Cluster = {
  readonly directory: string;
  readonly nodes: readonly DemoNode[];
  readonly kubernetes: Kubernetes;
  readonly operators: readonly DemoOperator[];
  readonly device: VirtualDevice;
  /** A fifth, outside look at the device. */
  readonly observer: SlotDevice;
  readonly workload: Workload;
  /** Everything the workload has written, by whichever node. */
  lines(): readonly NumberedLine[];
  node(name: string): DemoNode;
  close(): Promise<void>;
};

/** Makes everything and starts the operators; the machines are still off. */
export async function createCluster(onStorageLoss: OnStorageLoss): Promise<Cluster> {
  const directory = fs.mkdtempSync(join(tmpdir(), "sbd-demo-"));
  const device = createVirtualDevice({ directory });
  // Ctrl-C: the virtual machines end with their pipes, what lies on the disk does not.
  const removeAll = (): void => {
    device.close();
    fs.rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", removeAll);
  try {
    await initialise(device.path, onStorageLoss);
    const kubernetes = await startKubernetes({
      directory,
      nodeNames: NODE_NAMES,
      timeoutSeconds: TIMEOUT_SECONDS,
      watchdogSeconds: WATCHDOG_SECONDS,
      onStorageLoss,
    });
    return assemble(directory, device, kubernetes, () => {
      process.off("exit", removeAll);
      removeAll();
    });
  } catch (error) {
    process.off("exit", removeAll);
    removeAll();
    throw error;
  }
}

function assemble(
  directory: string,
  device: VirtualDevice,
  kubernetes: Kubernetes,
  removeAll: () => void,
): Cluster {
  const volume = join(directory, "volume");
  fs.writeFileSync(volume, "");
  const nodes = NODE_NAMES.map((name, index) =>
    createNode(directory, device, kubernetes, name, index),
  );
  const observer = openSlotDevice(device.path);
  const operators = OPERATOR_NAMES.map((name) => startOperator(directory, name, kubernetes));
  return {
    directory,
    nodes,
    kubernetes,
    operators,
    device,
    observer,
    workload: {
      namespace: "demo",
      name: "writer-0",
      command: [process.execPath, source("../testing/numbered-writer.ts"), volume],
      writeEveryMs: WRITE_EVERY_MS,
      startsOn: NODE_NAMES[0],
    },
    lines: () => readNumberedLines(volume),
    node(name) {
      const found = nodes.find((node) => node.name === name);
      if (found === undefined) {
        throw new Error(`The demo has no node ${name}`);
      }
      return found;
    },
    async close() {
      for (const operator of operators) {
        operator.process.kill("SIGKILL");
      }
      await Promise.all(nodes.map(({ machine }) => machine.close()));
      await kubernetes.server.close();
      observer.close();
      removeAll();
    },
  };
}

function createNode(
  directory: string,
  device: VirtualDevice,
  kubernetes: Kubernetes,
  name: string,
  index: number,
): DemoNode {
  const nodeDirectory = join(directory, name);
  fs.mkdirSync(nodeDirectory);
  const faults = createFaultControl(join(nodeDirectory, "faults"));
  const machine = createVirtualNode({
    name,
    machineID: (index + 1).toString(16).padStart(32, "0"),
    directory: nodeDirectory,
    watchdog: { identity: "i6300ESB timer", timeoutSeconds: 30 },
    bootDelayMs: BOOT_DELAY_MS,
    commands: (node) => processes(node, device, faults, kubernetes),
  });
  return { name, machine, faults };
}

function processes(
  node: VirtualNode,
  device: VirtualDevice,
  faults: FaultControl,
  kubernetes: Kubernetes,
): VirtualProcess[] {
  return [
    {
      name: "agent",
      argv: [process.execPath, ...NODE_FLAGS, source("../program/sbd.ts"), "agent"],
      env: {
        ...node.environment,
        ...faultEnvironment(faults, device.path),
        KUBECONFIG: kubernetes.kubeconfigs.agent(node.name),
        NODE_NAME: node.name,
        SBD_CONFIG_NAME: CONFIG_NAME,
        SBD_DEVICE_PATH: device.path,
        SBD_WATCHDOG_PATH: "/dev/watchdog",
        SBD_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
        SBD_METRICS_PORT: "0",
        SBD_HOST_ROOT: node.hostRoot,
      },
      restart: "always",
    },
    {
      name: "kubelet",
      argv: [
        process.execPath,
        ...NODE_FLAGS,
        source("stand-in-kubelet.ts"),
        node.name,
        node.bootID,
      ],
      env: { KUBECONFIG: kubernetes.kubeconfigs.kubelet(node.name) },
      restart: "always",
    },
  ];
}

/** Ends with the demo, also when that is killed: `setpriv` has the kernel see to it. */
function startOperator(directory: string, name: string, kubernetes: Kubernetes): DemoOperator {
  const log = fs.openSync(join(directory, `${name}.log`), "a");
  const operator = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", process.execPath, source("../program/sbd.ts"), "operator"],
    {
      stdio: ["ignore", log, log],
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        KUBECONFIG: kubernetes.kubeconfigs.operator,
        POD_NAME: name,
        DEPLOYMENT_NAMESPACE: SYSTEM_NAMESPACE,
        SBD_METRICS_PORT: "0",
        SBD_LEASE_SECONDS: String(LEASE_SECONDS),
      },
    },
  );
  fs.closeSync(log);
  return { name, process: operator };
}

async function initialise(devicePath: string, onStorageLoss: OnStorageLoss): Promise<void> {
  await promisify(execFile)(source("../../bin/sbdctl"), [
    "device",
    "init",
    devicePath,
    "--timeout-seconds",
    String(TIMEOUT_SECONDS),
    "--watchdog-timeout-seconds",
    String(WATCHDOG_SECONDS),
    "--on-storage-loss",
    onStorageLoss,
    "--cluster",
    "demo",
    "--local-storage",
  ]);
}

function source(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
