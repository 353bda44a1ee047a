import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { nodeOfRemediation } from "../api/node-of-remediation.ts";
import { parseSBDConfig, SBD_CONFIG, type SBDConfig } from "../api/sbd-config.ts";
import { parseSBDNode, SBD_NODE, type SBDNode } from "../api/sbd-node.ts";
import {
  parseSBDRemediation,
  SBD_REMEDIATION,
  type SBDRemediation,
} from "../api/sbd-remediation.ts";
import type { KubeClient } from "../kube/kube-client.ts";
import { KubeError } from "../kube/kube-error.ts";
import { textAt, type KubeObject } from "../kube/kube-object.ts";
import { getObject, listObjects } from "../kube/read-objects.ts";
import { LEASES, NODES, PODS, resourceTypeOf, type ResourceType } from "../kube/resource-type.ts";

/** What an administrator looks at, read at one moment. */
export type ClusterView = {
  /** When it was asked, by this machine's clock. */
  readonly wallMs: number;
  readonly configs: readonly SBDConfig[];
  readonly sbdNodes: readonly SBDNode[];
  readonly requests: readonly SBDRemediation[];
  /** Null: the account may not list them. */
  readonly nodes: readonly KubeObject[] | null;
  readonly pods: readonly KubeObject[] | null;
  readonly leader: { readonly holder: string; readonly renewTime: string } | null;
};

export const MAY_VIEW =
  "ClusterRole sbd-view has the rights that this takes; Nodes, Pods and the leader's Lease are shown to " +
  "those who may list them.";

const LEADER_LEASE = "sbd-operator";

/** @throws {KubeError} where SBDConfigs, SBDNodes or SBDRemediations cannot be listed */
export async function viewCluster(client: KubeClient): Promise<ClusterView> {
  const list = async (type: ResourceType): Promise<readonly KubeObject[]> =>
    (await listObjects(client, type)).items;
  const [configs, sbdNodes, requests, nodes, pods, lease] = await Promise.all([
    list(resourceTypeOf(SBD_CONFIG)),
    list(resourceTypeOf(SBD_NODE)),
    list(resourceTypeOf(SBD_REMEDIATION)),
    ifAllowed(list(NODES)),
    ifAllowed(list(PODS)),
    ifAllowed(getObject(client, LEASES, { name: LEADER_LEASE, namespace: SYSTEM_NAMESPACE })),
  ]);
  const holder = textAt(lease, "spec", "holderIdentity");
  return {
    wallMs: Date.now(),
    configs: readable(configs, parseSBDConfig),
    sbdNodes: readable(sbdNodes, parseSBDNode),
    requests: readable(requests, parseSBDRemediation),
    nodes,
    pods,
    leader: holder === "" ? null : { holder, renewTime: textAt(lease, "spec", "renewTime") },
  };
}

/** The node a request is about; empty where it does not say. */
export function nodeOf(request: SBDRemediation): string {
  const named = nodeOfRemediation(request);
  return named.ok ? named.nodeName : "";
}

export function nameOf({ metadata }: SBDRemediation): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** True or False of `Succeeded` end a request. */
export function isOver({ status }: SBDRemediation): boolean {
  const succeeded = status.conditions?.find(({ type }) => type === "Succeeded")?.status;
  return succeeded === "True" || succeeded === "False";
}

function readable<T>(
  objects: readonly KubeObject[],
  parse: (object: unknown) => { readonly ok: true; readonly value: T } | { readonly ok: false },
): readonly T[] {
  return objects.flatMap((object) => {
    const parsed = parse(object);
    return parsed.ok ? [parsed.value] : [];
  });
}

async function ifAllowed<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof KubeError && error.code === "FORBIDDEN") return null;
    throw error;
  }
}
