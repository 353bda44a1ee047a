import assert from "node:assert/strict";
import { test } from "node:test";

import { parseSBDConfig, type SBDConfig } from "../api/sbd-config.ts";
import { fencerDeployment, reconcileFencers } from "./fencer-deployment.ts";
import type { KubeDeployment } from "./kube-object.ts";
import { PLACE } from "./scenarios/leader.ts";
import type { Snapshot } from "./snapshot.ts";

function configOf(
  spec: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, unknown>> = {},
): SBDConfig {
  const parsed = parseSBDConfig({
    apiVersion: "medik8s.io/v1alpha1",
    kind: "SBDConfig",
    metadata: { name: "default", uid: "uid-7", ...metadata },
    spec: {
      sbdDevicePVCName: "sbd-device",
      sbdTimeoutSeconds: 10,
      sbdWatchdogPath: "/dev/watchdog",
      ...spec,
    },
  });
  assert.ok(parsed.ok);
  return parsed.value;
}

function snapshotOf(
  configs: readonly SBDConfig[],
  fencerDeployments: readonly KubeDeployment[] = [],
): Snapshot {
  return {
    configs,
    fencerDeployments,
    sbdNodes: [],
    remediations: [],
    nodes: [],
    pods: [],
    volumeAttachments: [],
    persistentVolumes: [],
    daemonSets: [],
    claims: [],
    jobs: [],
    fencerLeases: [],
  };
}

function deployment(ownerUID: string): KubeDeployment {
  return {
    metadata: {
      name: "sbd-fencer-default",
      namespace: "sbd-system",
      uid: "uid-9",
      resourceVersion: "4",
      ownerReferences: [
        { apiVersion: "medik8s.io/v1alpha1", kind: "SBDConfig", name: "default", uid: ownerUID },
      ],
    },
  };
}

test("one Deployment for each config with Operator placement, and none for another", () => {
  const placed = configOf({ fencerPlacement: "Operator" });
  const [action, ...more] = reconcileFencers(snapshotOf([placed, configOf({})]), PLACE);
  assert.deepEqual(more, []);
  assert.equal(action?.type, "apply-deployment");
  assert.equal(action.present, null);
  assert.equal(action.manifest.metadata.name, "sbd-fencer-default");
});

test("a placement that changes takes the Deployment away, and nobody else's of that name", () => {
  const agents = configOf({ fencerPlacement: "Agent" });
  assert.deepEqual(reconcileFencers(snapshotOf([agents], [deployment("uid-7")]), PLACE), [
    {
      type: "delete-deployment",
      target: {
        namespace: "sbd-system",
        name: "sbd-fencer-default",
        uid: "uid-9",
        resourceVersion: "4",
      },
    },
  ]);
  assert.deepEqual(reconcileFencers(snapshotOf([agents], [deployment("uid-8")]), PLACE), []);
});

test("the Deployment of a config that is being deleted is left to go with it", () => {
  const deletionTimestamp = "2000-01-01T00:00:00Z";
  const going = configOf({ fencerPlacement: "Operator" }, { deletionTimestamp });
  assert.deepEqual(reconcileFencers(snapshotOf([going], [deployment("uid-7")]), PLACE), []);
});

type Pod = {
  serviceAccountName: string;
  nodeSelector: object;
  affinity?: object;
  tolerations: object[];
  containers: {
    image: string;
    args: string[];
    env: { name: string; value?: string }[];
    livenessProbe?: object;
    securityContext: object;
    volumeDevices: object[];
  }[];
  volumes: object[];
};

function podOf(spec: Readonly<Record<string, unknown>> = {}): Pod {
  const config = configOf({ fencerPlacement: "Operator", ...spec });
  const manifest = fencerDeployment(config, snapshotOf([config]), PLACE) as unknown as {
    spec: { template: { spec: Pod } };
  };
  return manifest.spec.template.spec;
}

test("its pods see the shared device where the blueprint says, and nothing of the host", () => {
  const { containers, volumes, ...pod } = podOf();
  const [container, ...others] = containers;
  assert.deepEqual(others, []);
  assert.deepEqual(container?.volumeDevices, [
    { name: "sbd-block-device", devicePath: "/mnt/sbd-operator-device" },
  ]);
  assert.deepEqual(volumes, [
    { name: "sbd-block-device", persistentVolumeClaim: { claimName: "sbd-device" } },
  ]);
  assert.deepEqual(container.args, ["fencer"]);
  const device = container.env.find(({ name }) => name === "SBD_DEVICE_PATH");
  assert.equal(device?.value, "/mnt/sbd-operator-device");
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.equal(container.livenessProbe, undefined);
  assert.equal(pod.serviceAccountName, "sbd-fencer");
});

test("its pods run where agents may, and leave a lost node", () => {
  const pod = podOf({
    nodeSelector: { rack: "a" },
    nodeExclusionList: ["worker-9"],
    tolerations: [{ key: "storage", operator: "Exists" }],
    image: "registry/sbd:1",
  });
  assert.deepEqual(pod.nodeSelector, { rack: "a", "kubernetes.io/os": "linux" });
  assert.match(JSON.stringify(pod.affinity), /NotIn.*worker-9/);
  assert.deepEqual(pod.tolerations, [
    { key: "storage", operator: "Exists" },
    ...["unreachable", "not-ready"].map((key) => ({
      key: `node.kubernetes.io/${key}`,
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: 30,
    })),
  ]);
  assert.equal(pod.containers[0]?.image, "registry/sbd:1");
});
