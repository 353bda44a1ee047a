import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { API_VERSION, SYSTEM_NAMESPACE } from "../../api/group.ts";
import { NODE_NAME_ANNOTATION, REMEDIATION_FINALIZER } from "../../api/remediation-names.ts";
import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import { textAt } from "../../kube/kube-object.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";
import { embeddedClient } from "../../kube/testing/embedded-client.ts";
import { patchObject } from "../../kube/write-objects.ts";
import { temporaryDirectory } from "../../platform/testing/temporary-directory.ts";
import { startApiServer, type ApiServer } from "../../testing/apiserver/start-api-server.ts";
import { deployManifests } from "../../testing/deploy-manifests.ts";

const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);
/** Boot IDs that anybody may tell. */
export const BOOT_ID = randomUUID();
export const OTHER_BOOT_ID = randomUUID();

/** An API server with everything that is deployed, for sbdctl to be run against. */
export type EmbeddedCluster = {
  readonly server: ApiServer;
  /** Environment of a person with that token, `kate`'s where left out; she has sbd-confirm-off. */
  environment(token?: string): Readonly<Record<string, string>>;
  /** A Node that has told BOOT_ID, and its SBDNode. */
  addNode(
    name: string,
    nodeID: number,
    told?: {
      readonly ready?: "True" | "Unknown";
      readonly bootID?: string;
      readonly lastPassTime?: string;
    },
  ): void;
  /** A request that the operator has accepted, in namespace default; returns its UID. */
  addRequest(
    name: string,
    nodeName: string,
    status: Readonly<Record<string, unknown>>,
    finalizers?: readonly string[],
  ): Promise<string>;
  /** Replaces a request's status, as operator and fencer write it. */
  setStatus(request: string, status: Readonly<Record<string, unknown>>): Promise<void>;
};

export async function startEmbeddedCluster(context: TestContext): Promise<EmbeddedCluster> {
  const server = await startApiServer();
  context.after(() => server.close());
  server.objects.load(deployManifests());
  server.objects.load([
    binding("kate", "sbd-confirm-off"),
    binding("vera", "sbd-view"),
    binding("fay", "sbd-view"),
    binding("fay", "sbd-ext-remediation"),
  ]);
  const kate = server.tokenForUser("kate", []);
  const operator = embeddedClient(server, {
    token: server.tokenFor(SYSTEM_NAMESPACE, "sbd-operator"),
  });
  context.after(() => operator.close());

  async function setStatus(name: string, status: Readonly<Record<string, unknown>>): Promise<void> {
    const outcome = await patchObject(
      operator,
      SBD_REMEDIATIONS,
      { name, namespace: "default" },
      { kind: "json", operations: [{ op: "add", path: "/status", value: status }] },
      { subresource: "status" },
    );
    assert.equal(outcome.kind, "done", JSON.stringify(outcome));
  }

  return {
    server,
    environment(token = kate) {
      const file = join(temporaryDirectory(), "kubeconfig");
      writeFileSync(file, server.kubeconfig(token));
      return { KUBECONFIG: file };
    },
    addNode(name, nodeID, { ready = "Unknown", bootID = BOOT_ID, lastPassTime } = {}) {
      const since = "2026-01-01T00:00:00Z";
      server.objects.load([
        {
          apiVersion: "v1",
          kind: "Node",
          metadata: { name },
          status: {
            nodeInfo: { bootID },
            conditions: [{ type: "Ready", status: ready, lastTransitionTime: since, message: "" }],
          },
        },
        {
          apiVersion: API_VERSION,
          kind: "SBDNode",
          metadata: { name: `default-${nodeID}` },
          spec: { configName: "default", nodeName: name, nodeID },
          status: {
            bootID: BOOT_ID,
            machineID: "a".repeat(32),
            lastPassTime: lastPassTime ?? since,
          },
        },
      ]);
    },
    async addRequest(name, nodeName, status, finalizers = [REMEDIATION_FINALIZER]) {
      const annotations = { [NODE_NAME_ANNOTATION]: nodeName };
      const [request] = server.objects.load([
        {
          apiVersion: API_VERSION,
          kind: "SBDRemediation",
          metadata: { name, namespace: "default", finalizers, annotations },
          spec: {},
        },
      ]);
      await setStatus(name, status);
      return textAt(request, "metadata", "uid");
    },
    setStatus,
  };
}

function binding(user: string, role: string): unknown {
  const group = "rbac.authorization.k8s.io";
  return {
    apiVersion: `${group}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: `${user}-${role}` },
    roleRef: { apiGroup: group, kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: group, kind: "User", name: user }],
  };
}
