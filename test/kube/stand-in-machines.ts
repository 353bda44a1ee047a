/**
 * A real control plane (API server, scheduler, all controllers), a real block device, and the image's own
 * files as containers. A stand-in is each machine: a virtual node with a virtual watchdog, and the kubelet
 * on it.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import packageFile from "../../package.json" with { type: "json" };
import { bundle } from "../../packaging/bundle.ts";
import { listAt, textAt } from "../../src/kube/kube-object.ts";
import { attachLoopDevice, type LoopDevice } from "../../src/platform/testing/loop-device.ts";
import type { KubeletSettings } from "../../src/testing/kubelet/stand-in-kubelet.ts";
import { createVirtualNode, type VirtualNode } from "../../src/testing/virtual-node.ts";
import { ControlPlane } from "./control-plane.ts";
import { kubeBinaries } from "./kube-binaries.ts";

export const REPOSITORY = join(import.meta.dirname, "../..");
export const WORKERS = ["worker-1", "worker-2", "worker-3"] as const;

const KUBELET = join(REPOSITORY, "src/testing/kubelet/stand-in-kubelet.ts");
const run = promisify(execFile);

export class StandInMachines {
  readonly plane: ControlPlane;
  readonly device: LoopDevice;
  readonly workFolder: string;
  readonly machines = new Map<string, VirtualNode>();

  private constructor(plane: ControlPlane, device: LoopDevice, workFolder: string) {
    this.plane = plane;
    this.device = device;
    this.workFolder = workFolder;
  }

  /** Nothing is installed yet. */
  static async start(): Promise<StandInMachines> {
    const workFolder = mkdtempSync(join(tmpdir(), "sbd-install-"));
    const device = attachLoopDevice({ sizeBytes: 8 << 20 });
    await bundle(join(REPOSITORY, "build/bundle"));
    execFileSync(join(REPOSITORY, "packaging/image/lay-out.sh"), [
      join(workFolder, "image"),
      imageArch(),
    ]);
    const plane = await ControlPlane.start(kubeBinaries(), { controllers: "*", scheduler: true });
    const cluster = new StandInMachines(plane, device, workFolder);
    for (const [index, name] of WORKERS.entries()) cluster.#addMachine(name, index + 1);
    return cluster;
  }

  async close(): Promise<void> {
    for (const machine of this.machines.values()) await machine.close();
    await this.plane.stop();
    this.device.detach();
    // What containers have said is all that a failure leaves to look at.
    if (process.env["KEEP"] === undefined) {
      rmSync(this.workFolder, { recursive: true, force: true });
    }
  }

  machine(name: string): VirtualNode {
    const found = this.machines.get(name);
    assert.ok(found !== undefined, name);
    return found;
  }

  /** As an administrator, with a cluster-admin's kubeconfig. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.plane.adminKubeconfig };
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run("kubectl", [...args], {
      env: this.environment,
      cwd: REPOSITORY,
    });
    return stdout;
  }

  async get(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.kubectl("get", ...args, "-o", "json"));
  }

  async until(what: string, seconds: number, holds: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + seconds * 1_000;
    while (!(await holds())) {
      if (performance.now() > endMs) {
        const seen = await this.kubectl("get", "sbdconfigs,sbdnodes,jobs,pods", "-A", "-o", "wide");
        const status = await this.kubectl("get", "sbdconfigs", "-o", "yaml");
        throw new Error(`Not within ${seconds} s: ${what}\n${seen}\n${status}`);
      }
      await delay(500);
    }
  }

  /** Path of a sample, with what it must name of one's own cluster. */
  sample(name: string, from: string, to: string): string {
    const text = readFileSync(join(REPOSITORY, "deploy/samples", name), "utf8");
    assert.ok(text.includes(from), `${name} does not name ${from}`);
    const path = join(this.workFolder, name.replaceAll("/", "-"));
    writeFileSync(path, text.replaceAll(from, to));
    return path;
  }

  /** The sample claim, on this cluster's device. */
  claim(): string {
    const from = "/dev/disk/by-id/virtio-sbd-device";
    return this.sample("storage/shared-disk.yaml", from, this.device.path);
  }

  /**
   * Runs a program in the only container of a pod, with its environment: what `kubectl exec` asks of a
   * kubelet, which the stand-in does not serve.
   */
  async inPod(pod: string, words: readonly string[]): Promise<ProgramEnd> {
    const pid = this.#pidOf(pod);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8")
      .split("\0")
      .map((line): [string, string] => [line.split("=")[0] ?? "", line.replace(/^[^=]*=?/, "")])
      .filter(([name]) => name !== "");
    const enter = ["--target", String(pid), "--mount", "/usr/sbin/chroot", rootOf(pid)];
    return runToItsEnd("/usr/bin/nsenter", [...enter, ...words], Object.fromEntries(environment));
  }

  #pidOf(pod: string): number {
    const found = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .toSorted((a, b) => a - b)
      .find((pid) => rootOf(pid).endsWith(`/pods/${pod}/root`));
    assert.ok(found !== undefined, `no process of pod ${pod}`);
    return found;
  }

  #addMachine(name: string, index: number): void {
    const { plane, workFolder } = this;
    const subject = `/O=system:nodes/CN=system:node:${name}`;
    plane.authority.issue({ name, subject, use: "clientAuth" });
    const kubeconfig = plane.authority.kubeconfig(name, plane.url);
    const server = `${name}-serving`;
    plane.authority.issue({ name: server, subject, use: "serverAuth", names: "IP:127.0.0.1" });
    const serving = {
      certFile: plane.authority.path(`${server}.crt`),
      keyFile: plane.authority.path(`${server}.key`),
    };
    const machineID = index.toString(16).padStart(32, "b");
    const directory = join(workFolder, name);
    mkdirSync(directory);
    const machine = createVirtualNode({
      name,
      machineID,
      directory,
      watchdog: { identity: "i6300ESB timer", timeoutSeconds: 30 },
      commands: ({ environment, hostRoot, bootID, watchdogPath }) => {
        const settings: KubeletSettings = {
          nodeName: name,
          bootID,
          machineID,
          kubeconfig,
          caFile: plane.authority.path("ca.crt"),
          serving,
          hostRoot,
          folder: join(directory, "pods"),
          image: `sbd-operator:${packageFile.version}`,
          imageRoot: join(workFolder, "image"),
          // The watchdog as the agent's container sees it.
          machineEnvironment: {
            ...environment,
            SBD_VIRTUAL_WATCHDOG: watchdogPath.replace(hostRoot, "/host"),
          },
          machineFolders: [
            dirname(environment["LD_PRELOAD"] ?? ""),
            dirname(environment["SBD_VIRTUAL_WATCHDOG_CONTROL"] ?? ""),
          ],
        };
        return [
          {
            name: "kubelet",
            argv: [process.execPath, KUBELET, JSON.stringify(settings)],
            restart: "always",
          },
        ];
      },
    });
    this.machines.set(name, machine);
    machine.boot();
  }
}

function rootOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/root`);
  } catch {
    return "";
  }
}

/** How a program ended, and what it printed on both outputs. */
export type ProgramEnd = { readonly code: number; readonly output: string };

export async function runToItsEnd(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<ProgramEnd> {
  const { promise, resolve } = Promise.withResolvers<ProgramEnd>();
  execFile(program, [...args], { env: environment, cwd: REPOSITORY }, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
    resolve({ code, output: stdout + stderr });
  });
  return promise;
}

function imageArch(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}

/** Status and reason of a condition; a blank where there is none. */
export function conditionOf(object: unknown, type: string): string {
  const found = listAt(object, "status", "conditions").find(
    (condition) => textAt(condition, "type") === type,
  );
  return `${textAt(found, "status")} ${textAt(found, "reason")}`;
}
