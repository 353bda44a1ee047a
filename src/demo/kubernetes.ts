/** The demo's Kubernetes: the embedded API server with everything `kubectl apply -k deploy/` brings. */
import fs from "node:fs";
import { join } from "node:path";

import { API_VERSION, SYSTEM_NAMESPACE } from "../api/group.ts";
import type { OnStorageLoss } from "../protocol/device-header.ts";
import { type ApiServer, startApiServer } from "../testing/apiserver/start-api-server.ts";
import { deployManifests } from "../testing/deploy-manifests.ts";
import { sbdConfigObject } from "../testing/sbd-config-object.ts";

export const CONFIG_NAME = "demo";
export const TEMPLATE_NAME = "sbd-template";
/** Long enough for everything that runs as long as the demo. */
const KUBELET_GROUP = "system:nodes";

export type Kubernetes = {
  readonly server: ApiServer;
  /** Paths of kubeconfig files. */
  readonly kubeconfigs: {
    readonly admin: string;
    readonly operator: string;
    agent(nodeName: string): string;
    kubelet(nodeName: string): string;
  };
  /** No packet between a node and the API server any more; nothing is refused, nothing answers. */
  cut(nodeName: string): void;
};

export type KubernetesOptions = {
  readonly directory: string;
  readonly nodeNames: readonly string[];
  readonly timeoutSeconds: number;
  readonly watchdogSeconds: number;
  readonly onStorageLoss: OnStorageLoss;
};

/** Starts the server and loads CRDs, roles, admission policies, Nodes, an SBDConfig and a template. */
export async function startKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const { directory, nodeNames } = options;
  const server = await startApiServer();
  server.objects.load(deployManifests());
  server.objects.load([
    ...kubeletRoles(),
    ...nodeNames.map((name) => nodeObject(name)),
    sbdConfigObject(CONFIG_NAME, {
      sbdTimeoutSeconds: options.timeoutSeconds,
      watchdogTimeoutSeconds: options.watchdogSeconds,
      onStorageLoss: options.onStorageLoss,
    }),
    template(),
    namespace("demo"),
  ]);
  const write = (name: string, token: string): string => {
    const path = join(directory, `${name}.kubeconfig`);
    fs.writeFileSync(path, server.kubeconfig(token));
    return path;
  };
  const kubelets = new Map(
    nodeNames.map((name) => [
      name,
      write(`kubelet-${name}`, server.tokenForUser(`system:node:${name}`, [KUBELET_GROUP])),
    ]),
  );
  const agents = new Map(
    nodeNames.map((name) => [
      name,
      write(
        `agent-${name}`,
        server.tokenFor(SYSTEM_NAMESPACE, "sbd-agent", {
          nodeName: name,
          podName: `sbd-agent-${name}`,
        }),
      ),
    ]),
  );
  return {
    server,
    kubeconfigs: {
      admin: write("admin", server.adminToken),
      operator: write("operator", server.tokenFor(SYSTEM_NAMESPACE, "sbd-operator")),
      agent: (nodeName) => agents.get(nodeName) ?? "",
      kubelet: (nodeName) => kubelets.get(nodeName) ?? "",
    },
    cut(nodeName) {
      const effect = { kind: "partition", lost: "requests", afterwards: "cut" } as const;
      server.faults.add({ user: `system:node:${nodeName}` }, effect);
      server.faults.add({ node: nodeName }, effect);
    },
  };
}

function template(): unknown {
  return {
    apiVersion: API_VERSION,
    kind: "SBDRemediationTemplate",
    metadata: {
      name: TEMPLATE_NAME,
      namespace: SYSTEM_NAMESPACE,
      annotations: { "remediation.medik8s.io/multiple-templates-support": "true" },
    },
    spec: { template: { spec: { remediationStrategy: "Automatic" } } },
  };
}

function nodeObject(name: string): unknown {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: { "kubernetes.io/os": "linux", "node-role.kubernetes.io/worker": "" },
    },
  };
}

function namespace(name: string): unknown {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

function kubeletRoles(): readonly unknown[] {
  const group = "rbac.authorization.k8s.io";
  return [
    {
      apiVersion: `${group}/v1`,
      kind: "ClusterRole",
      metadata: { name: "demo-kubelet" },
      rules: [
        {
          apiGroups: [""],
          resources: ["nodes", "nodes/status", "pods", "pods/status"],
          verbs: ["get", "list", "watch", "patch", "update", "delete"],
        },
        {
          apiGroups: ["storage.k8s.io"],
          resources: ["volumeattachments"],
          verbs: ["get", "list", "watch"],
        },
      ],
    },
    {
      apiVersion: `${group}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name: "demo-kubelet" },
      roleRef: { apiGroup: group, kind: "ClusterRole", name: "demo-kubelet" },
      subjects: [{ apiGroup: group, kind: "Group", name: KUBELET_GROUP }],
    },
  ];
}
