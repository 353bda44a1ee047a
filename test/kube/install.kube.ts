/**
 * docs/install.md from nothing to a first fencing and back to nothing, with a real control plane (API
 * server, scheduler, all controllers), `dist/install.yaml` as `make manifests` writes it, a sample claim on
 * a real block device, and the image's own files as containers. Nobody touches the device.
 * See `stand-in-machines.ts` for what stands in.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { fieldAt, listAt, textAt } from "../../src/kube/kube-object.ts";
import { whyNoLoopDevices } from "../../src/platform/testing/loop-device.ts";
import { conditionOf, REPOSITORY, StandInMachines, WORKERS } from "./stand-in-machines.ts";

const SBDCTL = join(REPOSITORY, "bin/sbdctl");
const run = promisify(execFile);
const skip = whyNoLoopDevices();

let cluster: StandInMachines;

before(async () => {
  if (skip === false) cluster = await StandInMachines.start();
});

after(async () => {
  await cluster?.close();
});

test("the installation is applied, and its operators become ready", { skip }, async () => {
  await run("make", ["--silent", "manifests"], { cwd: REPOSITORY });
  await cluster.kubectl("apply", "-f", "dist/install.yaml");
  await cluster.kubectl(
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
    await cluster.kubectl("apply", "-f", config);
    await cluster.until("the missing claim is told", 60, async () =>
      conditionOf(await cluster.get("sbdconfig", "default"), "StorageReady").includes(
        "ClaimNotFound",
      ),
    );
    await cluster.kubectl("apply", "-f", cluster.claim());
    await cluster.kubectl("wait", "--for=condition=Ready", "sbdconfig/default", "--timeout=240s");
    const found = await cluster.get("sbdconfig", "default");
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
    for (const machine of cluster.machines.values())
      assert.equal(machine.watchdogState.active, true);
  },
);

test(
  "the first fencing is a drill: the node dies, is proven dead, and is back",
  { skip },
  async () => {
    const sbdctl = async (...args: readonly string[]): Promise<unknown> =>
      JSON.parse((await run(SBDCTL, [...args, "-o", "json"], { env: cluster.environment })).stdout);
    const dry = await sbdctl("drill", "worker-2", "--dry-run");
    assert.deepEqual(listAt(listAt(dry, "checks")[0], "hindrances"), []);
    const wet = await sbdctl("drill", "worker-2", "--yes", "--report-dir", cluster.workFolder);
    const [drill] = listAt(wet, "drills");
    console.log(JSON.stringify(drill));
    assert.equal(fieldAt(drill, "withinBound"), true);
    const events = cluster.machines.get("worker-2")?.events ?? [];
    assert.ok(events.some(({ kind }) => kind === "dead"));
    await cluster.kubectl("wait", "--for=condition=Ready", "sbdconfig/default", "--timeout=240s");
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
    const path = join(cluster.workFolder, "sample.yaml");
    writeFileSync(
      path,
      file.startsWith("storage/") ? text.replaceAll("sbd-device", "sbd-sample") : text,
    );
    await cluster.kubectl("apply", "--dry-run=server", "-f", path);
  }
});

test("a change of the agents' DaemonSet by somebody else is undone", { skip }, async () => {
  const grace = '{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":1}}}}';
  await cluster.kubectl("-n", "sbd-system", "patch", "daemonset", "sbd-agent-default", "-p", grace);
  await cluster.until("the grace is the operator's again", 30, async () => {
    const found = await cluster.get("-n", "sbd-system", "daemonset", "sbd-agent-default");
    return fieldAt(found, "spec", "template", "spec", "terminationGracePeriodSeconds") === 50;
  });
});

test(
  "T and W are changed: deleted, created anew, and the device is initialised anew",
  { skip },
  async () => {
    await cluster.kubectl("delete", "sbdconfig", "default", "--timeout=240s");
    const changed = cluster.sample(
      "sbdconfig.yaml",
      "sbdTimeoutSeconds: 30",
      "sbdTimeoutSeconds: 40",
    );
    await cluster.kubectl("apply", "-f", changed);
    await cluster.kubectl("wait", "--for=condition=Ready", "sbdconfig/default", "--timeout=600s");
    const found = await cluster.get("sbdconfig", "default");
    assert.equal(conditionOf(found, "ContractAgrees"), "True AsInTheDeviceHeader");
    assert.equal(fieldAt(found, "status", "boundSeconds"), 73.5);
  },
);

test("fencers of their own: a Deployment of two that becomes ready", { skip }, async () => {
  const patch = '{"spec":{"fencerPlacement":"Operator"}}';
  await cluster.kubectl("patch", "sbdconfig", "default", "--type=merge", "-p", patch);
  await cluster.until("the Deployment is made", 30, async () =>
    listAt(await cluster.get("-n", "sbd-system", "deployments"), "items").some(
      (item) => textAt(item, "metadata", "name") === "sbd-fencer-default",
    ),
  );
  await cluster.kubectl(
    ...["-n", "sbd-system", "rollout", "status", "deployment/sbd-fencer-default"],
    "--timeout=120s",
  );
  await cluster.until("a fencer holds the Lease", 60, async () => {
    const leases = listAt(await cluster.get("-n", "sbd-system", "leases"), "items");
    const lease = leases.find((item) => textAt(item, "metadata", "name") === "sbd-fencer-default");
    return textAt(lease, "spec", "holderIdentity").startsWith("sbd-fencer-default-");
  });
});

test("the SBDConfig is deleted, and nothing of it is left", { skip }, async () => {
  await cluster.kubectl("delete", "sbdconfig", "default", "--timeout=240s");
  await cluster.kubectl("delete", "-f", join(cluster.workFolder, "storage-shared-disk.yaml"));
  const ofConfig = await cluster.get("-n", "sbd-system", "daemonsets,deployments,jobs,pods,pvc");
  const names = listAt(ofConfig, "items").map((item) => textAt(item, "metadata", "name"));
  assert.deepEqual(
    names.filter((name) => !/^sbd-operator(-|$)/.test(name)),
    [],
  );
  assert.deepEqual(listAt(await cluster.get("sbdnodes"), "items"), []);
  for (const node of listAt(await cluster.get("nodes"), "items")) {
    const taints = listAt(node, "spec", "taints").map((taint) => textAt(taint, "key"));
    assert.deepEqual(taints, []);
    assert.equal(conditionOf(node, "SBDStorageUnhealthy"), " ");
  }
  for (const machine of cluster.machines.values())
    assert.equal(machine.watchdogState.active, false);
});

test(
  "the installation is removed, and its namespace and definitions are gone",
  { skip },
  async () => {
    await cluster.kubectl("delete", "-f", "dist/install.yaml", "--timeout=180s");
    const left = await cluster.kubectl(
      "get",
      "crds,validatingadmissionpolicies,clusterroles",
      "-o",
      "name",
    );
    assert.doesNotMatch(left, /medik8s|sbd-/);
  },
);
