/** A cluster on one machine: real agents on virtual hardware around one real shared device. */
import { execFile } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { openSlotDevice, type SlotDevice } from "../platform/slot-device.ts";
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
import { socketPaths, type ControlPlaneNode } from "./control-plane.ts";
import type { KubeletWorkload } from "./stand-in-kubelet.ts";

export const TIMEOUT_SECONDS = 6;
export const WATCHDOG_SECONDS = 4;

const NODE_NAMES = ["worker-1", "worker-2", "worker-3", "worker-4"] as const;
const BOOT_DELAY_MS = 1_500;
const WRITE_EVERY_MS = 100;
const NODE_MEMORY_FLAGS = ["--max-old-space-size=64"];

export type DemoNode = ControlPlaneNode & {
  readonly machine: VirtualNode;
  /** What its path to the shared device does to its I/O. */
  readonly faults: FaultControl;
};

export type Cluster = {
  readonly nodes: readonly DemoNode[];
  readonly device: VirtualDevice;
  /** A fifth, outside look at the device. */
  readonly observer: SlotDevice;
  readonly workload: KubeletWorkload;
  /** Everything the workload has written, by whichever node. */
  lines(): readonly NumberedLine[];
  node(name: string): DemoNode;
  close(): Promise<void>;
};

/** Makes device and machines, initialises the device as an administrator would, boots nothing. */
export async function createCluster(): Promise<Cluster> {
  const directory = fs.mkdtempSync(join(tmpdir(), "sbd-demo-"));
  const device = createVirtualDevice({ directory });
  try {
    await initialise(device.path);
    return assemble(directory, device);
  } catch (error) {
    device.close();
    fs.rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

function assemble(directory: string, device: VirtualDevice): Cluster {
  const volume = join(directory, "volume");
  fs.writeFileSync(volume, "");
  const nodes = NODE_NAMES.map((name, index) => createNode(directory, device, name, index + 1));
  const observer = openSlotDevice(device.path);
  observer.readHeader();
  return {
    nodes,
    device,
    observer,
    workload: { name: "workload", argv: ["/bin/sh", "-c", writerScript(volume), "workload"] },
    lines: () => readNumberedLines(volume),
    node(name) {
      const found = nodes.find((node) => node.name === name);
      if (found === undefined) {
        throw new Error(`The demo has no node ${name}`);
      }
      return found;
    },
    async close() {
      await Promise.all(nodes.map(({ machine }) => machine.close()));
      observer.close();
      device.close();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

function createNode(
  directory: string,
  device: VirtualDevice,
  name: string,
  nodeID: number,
): DemoNode {
  const nodeDirectory = join(directory, name);
  fs.mkdirSync(nodeDirectory);
  const faults = createFaultControl(join(nodeDirectory, "faults"));
  const machine = createVirtualNode({
    name,
    machineID: nodeID.toString(16).padStart(32, "0"),
    directory: nodeDirectory,
    watchdog: { identity: "i6300ESB timer", timeoutSeconds: 30 },
    bootDelayMs: BOOT_DELAY_MS,
    commands: (node) => processes(node, nodeID, device, faults, kubeletSocketPath),
  });
  const { agentSocketPath, kubeletSocketPath } = socketPaths(directory, machine.hostRoot, name);
  return { name, nodeID, machine, faults, agentSocketPath, kubeletSocketPath };
}

function processes(
  node: VirtualNode,
  nodeID: number,
  device: VirtualDevice,
  faults: FaultControl,
  kubeletSocketPath: string,
): VirtualProcess[] {
  return [
    {
      name: "agent",
      argv: [process.execPath, ...NODE_MEMORY_FLAGS, source("../agent/shell/main.ts")],
      env: {
        ...node.environment,
        ...faultEnvironment(faults, device.path),
        NODE_NAME: node.name,
        SBD_NODE_ID: String(nodeID),
        SBD_DEVICE_PATH: device.path,
        SBD_WATCHDOG_PATH: "/dev/watchdog",
        SBD_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
        SBD_HOST_ROOT: node.hostRoot,
        SBD_API_PROCESS: "false",
      },
      restart: "always",
    },
    {
      name: "kubelet",
      argv: [
        process.execPath,
        ...NODE_MEMORY_FLAGS,
        source("stand-in-kubelet.ts"),
        kubeletSocketPath,
        node.name,
        node.bootID,
      ],
      env: { SBD_DEMO_NODE: node.name },
      restart: "always",
    },
  ];
}

/** The kubelet appends the boot ID; the node's name is in its environment. */
function writerScript(volume: string): string {
  const writer = source("../testing/numbered-writer.ts");
  return `exec '${process.execPath}' '${writer}' '${volume}' "$SBD_DEMO_NODE" "$1" ${WRITE_EVERY_MS}`;
}

async function initialise(devicePath: string): Promise<void> {
  await promisify(execFile)(source("../../bin/sbdctl"), [
    "device",
    "init",
    devicePath,
    "--timeout-seconds",
    String(TIMEOUT_SECONDS),
    "--watchdog-timeout-seconds",
    String(WATCHDOG_SECONDS),
    "--cluster",
    "demo",
  ]);
}

function source(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
