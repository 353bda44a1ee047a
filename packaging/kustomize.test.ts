import assert from "node:assert/strict";
import { test } from "node:test";

import packageFile from "../package.json" with { type: "json" };
import { kustomize, noKubectl } from "./kustomize.ts";

/** What Pod Security's level "restricted" asks of a pod. */
type PodSpec = {
  readonly hostPID?: boolean;
  readonly hostNetwork?: boolean;
  readonly volumes?: readonly unknown[];
  readonly securityContext: {
    readonly runAsNonRoot: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile: { readonly type: string };
  };
  readonly containers: readonly {
    readonly image: string;
    readonly securityContext: {
      readonly allowPrivilegeEscalation: boolean;
      readonly capabilities: { readonly drop: readonly string[] };
    };
  }[];
};

function names(folder: string): string[] {
  return kustomize(folder).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
}

function operatorPod(folder: string): PodSpec {
  const deployments = kustomize(folder).filter(({ kind }) => kind === "Deployment");
  const [{ spec }] = deployments as unknown as [{ spec: { template: { spec: PodSpec } } }];
  return spec.template.spec;
}

test(
  "the operator's image is the one of this version, and runs as Pod Security's restricted asks",
  { skip: noKubectl },
  () => {
    const { hostPID, hostNetwork, volumes, securityContext, containers } = operatorPod("deploy");
    assert.deepEqual([hostPID, hostNetwork, volumes], [undefined, undefined, undefined]);
    assert.deepEqual([securityContext.runAsNonRoot, securityContext.runAsUser], [true, 65_532]);
    assert.equal(securityContext.seccompProfile.type, "RuntimeDefault");
    const [container] = containers;
    assert.equal(container?.image, `sbd-operator:${packageFile.version}`);
    assert.equal(container.securityContext.allowPrivilegeEscalation, false);
    assert.deepEqual(container.securityContext.capabilities.drop, ["ALL"]);
  },
);

test("an overlay is the base and more", { skip: noKubectl }, () => {
  const base = names("deploy");
  assert.deepEqual(names("deploy/base"), base);
  const more = (folder: string): string[] =>
    names(folder)
      .filter((name) => !base.includes(name))
      .sort();
  const monitored = [
    "ConfigMap sbd-dashboard",
    "NetworkPolicy sbd-metrics-only",
    "PrometheusRule sbd-operator",
    "Service sbd-fencer-metrics",
    "Service sbd-operator-metrics",
    "ServiceMonitor sbd-agent",
    "ServiceMonitor sbd-fencer",
    "ServiceMonitor sbd-operator",
  ];
  assert.deepEqual(more("deploy/overlays/monitored"), monitored);
  assert.deepEqual(
    more("deploy/overlays/openshift"),
    [...monitored, "RoleBinding sbd-agent-privileged-scc"].toSorted(),
  );
});

test(
  "on OpenShift the namespace's own range gives the operator its user",
  { skip: noKubectl },
  () => {
    const { securityContext } = operatorPod("deploy/overlays/openshift");
    assert.deepEqual(securityContext, {
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
  },
);
