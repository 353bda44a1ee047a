/**
 * docs/install.md from nothing to a first fencing and back to nothing, with a real control plane (API
 * server, scheduler, all controllers), `dist/install.yaml` as `make manifests` writes it, a sample claim on
 * a real block device, and the image's own files as containers. Nobody touches the device.
 *
 * A stand-in is each machine: a virtual node with a virtual watchdog, and the kubelet on it.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import packageFile from "../../package.json" with { type: "json" };
import { bundle } from "../../packaging/bundle.ts";
import { fieldAt, listAt, textAt } from "../../src/kube/kube-object.ts";
import {
  attachLoopDevice,
  whyNoLoopDevices,
  type LoopDevice,
} from "../../src/platform/testing/loop-device.ts";
import type { KubeletSettings } from "../../src/testing/kubelet/stand-in-kubelet.ts";
import { createVirtualNode, type VirtualNode } from "../../src/testing/virtual-node.ts";
import { ControlPlane } from "./control-plane.ts";
import { kubeBinaries } from "./kube-binaries.ts";

const REPOSITORY = join(import.meta.dirname, "../..");
const KUBELET = join(REPOSITORY, "src/testing/kubelet/stand-in-kubelet.ts");
const SBDCTL = join(REPOSITORY, "bin/sbdctl");
const WORKERS = ["worker-1", "worker-2", "worker-3"];
const run = promisify(execFile);
const skip = whyNoLoopDevices();

let plane: ControlPlane;
let device: LoopDevice;
let workFolder: string;
const machines = new Map<string, VirtualNode>();

before(async () => {
  if (skip !== false) return;
  workFolder = mkdtempSync(join(tmpdir(), "sbd-install-"));
  device = attachLoopDevice({ sizeBytes: 8 << 20 });
  await bundle(join(REPOSITORY, "build/bundle"));
  execFileSync(join(REPOSITORY, "packaging/image/lay-out.sh"), [
    join(workFolder, "image"),
    imageArch(),
  ]);
  plane = await ControlPlane.start(kubeBinaries(), { controllers: "*", scheduler: true });
  for (const [index, name] of WORKERS.entries()) addMachine(name, index + 1);
});

after(async () => {
  for (const machine of machines.values()) await machine.close();
  if (plane !== undefined) await plane.stop();
  if (device !== undefined) device.detach();
  // What containers have said is all that a failure leaves to look at.
  if (workFolder !== undefined && process.env["KEEP"] === undefined) {
    rmSync(workFolder, { recursive: true, force: true });
  }
});

function imageArch(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}

function addMachine(name: string, index: number): void {
  const subject = `/O=system:nodes/CN=system:node:${name}`;
  plane.authority.issue({ name, subject, use: "clientAuth" });
  const kubeconfig = plane.authority.kubeconfig(name, plane.url);
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
  machines.set(name, machine);
  machine.boot();
}

/** As an administrator, with a cluster-admin's kubeconfig. */
async function kubectl(...args: readonly string[]): Promise<string> {
  const environment = { ...process.env, KUBECONFIG: plane.adminKubeconfig };
  const { stdout } = await run("kubectl", [...args], { env: environment, cwd: REPOSITORY });
  return stdout;
}

async function get(...args: readonly string[]): Promise<unknown> {
  return JSON.parse(await kubectl("get", ...args, "-o", "json"));
}

async function until(what: string, seconds: number, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + seconds * 1_000;
  while (!(await holds())) {
    if (performance.now() > endMs) {
      const seen = await kubectl("get", "sbdconfigs,sbdnodes,jobs,pods", "-A", "-o", "wide");
      const status = await kubectl("get", "sbdconfigs", "-o", "yaml");
      throw new Error(`Not within ${seconds} s: ${what}\n${seen}\n${status}`);
    }
    await delay(500);
  }
}

function conditionOf(object: unknown, type: string): string {
  const found = listAt(object, "status", "conditions").find(
    (condition) => textAt(condition, "type") === type,
  );
  return `${textAt(found, "status")} ${textAt(found, "reason")}`;
}

/** A sample, with what it must name of one's own cluster. */
function sample(name: string, from: string, to: string): string {
  const text = readFileSync(join(REPOSITORY, "deploy/samples", name), "utf8");
  assert.ok(text.includes(from), `${name} does not name ${from}`);
  const path = join(workFolder, name.replaceAll("/", "-"));
  writeFileSync(path, text.replaceAll(from, to));
  return path;
}

test("the installation is applied, and its operators become ready", { skip }, async () => {
  await run("make", ["--silent", "manifests"], { cwd: REPOSITORY });
  await kubectl("apply", "-f", "dist/install.yaml");
  await kubectl(
    "-n",
    "sbd-system",
    "rollout",
    "status",
    "deployment/sbd-operator",
    "--timeout=180s",
  );
});

test(
  "a claim and an SBDConfig: device, agents and watchdogs become ready by themselves",
  { skip },
  async () => {
    const config = "deploy/samples/sbdconfig.yaml";
    await kubectl("apply", "-f", config);
    await until("the missing claim is told", 60, async () =>
      conditionOf(await get("sbdconfig", "default"), "StorageReady").includes("ClaimNotFound"),
    );
    const claim = sample(
      "storage/shared-disk.yaml",
      "/dev/disk/by-id/virtio-sbd-device",
      device.path,
    );
    await kubectl("apply", "-f", claim);
    await kubectl("wait", "--for=condition=Ready", "sbdconfig/default", "--timeout=240s");
    const found = await get("sbdconfig", "default");
    assert.deepEqual(
      ["KubernetesSupported", "StorageReady", "DeviceReady", "ContractAgrees", "Ready"].map(
        (type) => conditionOf(found, type),
      ),
      [
        "True SupportedKubernetes",
        "True ClaimBound",
        "True DeviceInitialised",
        "True AsInTheDeviceHeader",
        "True AllNodesArmed",
      ],
    );
    assert.equal(fieldAt(found, "status", "agentsArmed"), WORKERS.length);
    assert.equal(fieldAt(found, "status", "boundSeconds"), 63);
    for (const machine of machines.values()) assert.equal(machine.watchdogState.active, true);
  },
);

test(
  "the first fencing is a drill: the node dies, is proven dead, and is back",
  { skip },
  async () => {
    const environment = { ...process.env, KUBECONFIG: plane.adminKubeconfig };
    const sbdctl = async (...args: readonly string[]): Promise<unknown> =>
      JSON.parse((await run(SBDCTL, [...args, "-o", "json"], { env: environment })).stdout);
    const dry = await sbdctl("drill", "worker-2", "--dry-run");
    assert.deepEqual(listAt(listAt(dry, "checks")[0], "hindrances"), []);
    const wet = await sbdctl("drill", "worker-2", "--yes", "--report-dir", workFolder);
    const [drill] = listAt(wet, "drills");
    console.log(JSON.stringify(drill));
    assert.equal(fieldAt(drill, "withinBound"), true);
    const events = machines.get("worker-2")?.events ?? [];
    assert.ok(events.some(({ kind }) => kind === "dead"));
    await kubectl("wait", "--for=condition=Ready", "sbdconfig/default", "--timeout=240s");
  },
);

test("every sample is taken by the API server", { skip }, async () => {
  const samples = join(REPOSITORY, "deploy/samples");
  const files = readdirSync(samples, { recursive: true, encoding: "utf8" }).filter(
    // Of the Node Health Check operator, which is not here.
    (file) => file.endsWith(".yaml") && file !== "nodehealthcheck.yaml",
  );
  assert.ok(files.length >= 8, files.join());
  for (const file of files) {
    // A volume that is there cannot become another.
    const text = readFileSync(join(samples, file), "utf8");
    const path = join(workFolder, "sample.yaml");
    writeFileSync(
      path,
      file.startsWith("storage/") ? text.replaceAll("sbd-device", "sbd-sample") : text,
    );
    await kubectl("apply", "--dry-run=server", "-f", path);
  }
});

test("a change of the agents' DaemonSet by somebody else is undone", { skip }, async () => {
  const grace = '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":1}}}}';
  await kubectl("-n", "sbd-system", "patch", "daemonset", "sbd-agent-default", "-p", grace);
  await until("the grace is the operator's again", 30, async () => {
    const found = await get("-n", "sbd-system", "daemonset", "sbd-agent-default");
    return fieldAt(found, "spec", "template", "spec", "terminationGracePeriodSeconds") === 50;
  });
});

test(
  "T and W are changed: deleted, created anew, and the device is initialised anew",
  { skip },
  async () => {
    await kubectl("delete", "sbdconfig", "default", "--timeout=240s");
    const changed = sample("sbdconfig.yaml", "sbdTimeoutSeconds: 30", "sbdTimeoutSeconds: 40");
    await kubectl("apply", "-f", changed);
    await kubectl("wait", "--for=condition=Ready", "sbdconfig/default", "--timeout=600s");
    const found = await get("sbdconfig", "default");
    assert.equal(conditionOf(found, "ContractAgrees"), "True AsInTheDeviceHeader");
    assert.equal(fieldAt(found, "status", "boundSeconds"), 73.5);
  },
);

test("fencers of their own: a Deployment of two that becomes ready", { skip }, async () => {
  const patch = '{"spec":{"fencerPlacement":"Operator"}}';
  await kubectl("patch", "sbdconfig", "default", "--type=merge", "-p", patch);
  await until("the Deployment is made", 30, async () =>
    listAt(await get("-n", "sbd-system", "deployments"), "items").some(
      (item) => textAt(item, "metadata", "name") === "sbd-fencer-default",
    ),
  );
  await kubectl(
    ...["-n", "sbd-system", "rollout", "status", "deployment/sbd-fencer-default"],
    "--timeout=120s",
  );
  await until("a fencer holds the Lease", 60, async () => {
    const leases = listAt(await get("-n", "sbd-system", "leases"), "items");
    const lease = leases.find((item) => textAt(item, "metadata", "name") === "sbd-fencer-default");
    return textAt(lease, "spec", "holderIdentity").startsWith("sbd-fencer-default-");
  });
});

test("the SBDConfig is deleted, and nothing of it is left", { skip }, async () => {
  await kubectl("delete", "sbdconfig", "default", "--timeout=240s");
  await kubectl("delete", "-f", join(workFolder, "storage-shared-disk.yaml"));
  const ofConfig = await get("-n", "sbd-system", "daemonsets,deployments,jobs,pods,pvc");
  const names = listAt(ofConfig, "items").map((item) => textAt(item, "metadata", "name"));
  assert.deepEqual(
    names.filter((name) => !/^sbd-operator(-|$)/.test(name)),
    [],
  );
  assert.deepEqual(listAt(await get("sbdnodes"), "items"), []);
  for (const node of listAt(await get("nodes"), "items")) {
    const taints = listAt(node, "spec", "taints").map((taint) => textAt(taint, "key"));
    assert.deepEqual(taints, []);
    assert.equal(conditionOf(node, "SBDStorageUnhealthy"), " ");
  }
  for (const machine of machines.values()) assert.equal(machine.watchdogState.active, false);
});

test(
  "the installation is removed, and its namespace and definitions are gone",
  { skip },
  async () => {
    await kubectl("delete", "-f", "dist/install.yaml", "--timeout=180s");
    const left = await kubectl(
      "get",
      "crds,validatingadmissionpolicies,clusterroles",
      "-o",
      "name",
    );
    assert.doesNotMatch(left, /medik8s|sbd-/);
  },
);
