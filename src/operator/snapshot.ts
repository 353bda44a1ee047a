import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { nodeOfRemediation } from "../api/node-of-remediation.ts";
import { REMEDIATION_FINALIZER } from "../api/remediation-names.ts";
import type {
  KubeClaim,
  KubeDaemonSet,
  KubeDeployment,
  KubeJob,
  KubeLease,
  KubeNode,
  KubePersistentVolume,
  KubePod,
  KubeVolumeAttachment,
} from "./kube-object.ts";
import { bootIDOf } from "./kube-object.ts";

/** What the caches hold. It may be old: no safety rests on it, every write carries what it saw. */
export type Snapshot = {
  readonly configs: readonly SBDConfig[];
  readonly sbdNodes: readonly SBDNode[];
  readonly remediations: readonly SBDRemediation[];
  readonly nodes: readonly KubeNode[];
  readonly pods: readonly KubePod[];
  readonly volumeAttachments: readonly KubeVolumeAttachment[];
  readonly persistentVolumes: readonly KubePersistentVolume[];
  readonly daemonSets: readonly KubeDaemonSet[];
  /** PersistentVolumeClaims of the operator's namespace. */
  readonly claims: readonly KubeClaim[];
  /** Jobs of the operator's namespace. */
  readonly jobs: readonly KubeJob[];
  /** Of fencers that run without an agent. */
  readonly fencerDeployments: readonly KubeDeployment[];
  /** What a fencer that runs without an agent renews while it can fence. */
  readonly fencerLeases: readonly KubeLease[];
};

/** Time for a reconciler: the clock nobody slews to wait by, the wall clock to write down. */
export type Moment = {
  readonly nowMs: number;
  /** RFC 3339. */
  readonly wall: string;
};

/**
 * Works something out once a snapshot. A look asks for each of hundreds of nodes which slot it has and who
 * covers it: searched for each time, that is the square of their number.
 */
export function oncePerSnapshot<T>(workOut: (snapshot: Snapshot) => T): (snapshot: Snapshot) => T {
  const known = new WeakMap<Snapshot, { readonly result: T }>();
  return (snapshot) => {
    const found = known.get(snapshot) ?? { result: workOut(snapshot) };
    known.set(snapshot, found);
    return found.result;
  };
}

const nodesByName = oncePerSnapshot(
  ({ nodes }) => new Map(nodes.toReversed().map((node) => [node.metadata.name, node])),
);
const slotsByNode = oncePerSnapshot(({ sbdNodes }) =>
  Map.groupBy(sbdNodes, ({ spec }) => spec.nodeName),
);
const slotsByConfig = oncePerSnapshot(({ sbdNodes }) =>
  Map.groupBy(sbdNodes, ({ spec }) => spec.configName),
);

export function nodeNamed(snapshot: Snapshot, name: string): KubeNode | null {
  return nodesByName(snapshot).get(name) ?? null;
}

export function configNamed(snapshot: Snapshot, name: string): SBDConfig | null {
  return snapshot.configs.find((config) => config.metadata.name === name) ?? null;
}

export function slotsOfNode(snapshot: Snapshot, nodeName: string): readonly SBDNode[] {
  return slotsByNode(snapshot).get(nodeName) ?? [];
}

export function slotsOfConfig(snapshot: Snapshot, configName: string): readonly SBDNode[] {
  return slotsByConfig(snapshot).get(configName) ?? [];
}

/** Its agent has left in order or never came, or its slot is being given back. */
export function isAbsentOnPurpose(sbdNode: SBDNode, snapshot: Snapshot): boolean {
  const { status } = sbdNode;
  return (
    isGoing(sbdNode, snapshot) ||
    status.leaving === true ||
    (status.startID === undefined && status.lastPassTime === undefined)
  );
}

/**
 * Its slot is being given back. Not where its Node was deleted and is registered again by the very boot that has
 * beaten in it: what is deleted stays deleted, but that agent beats on, fences and is fenced as any other, and
 * nothing else can tell of that boot's death.
 */
export function isGoing({ metadata, spec, status }: SBDNode, snapshot: Snapshot): boolean {
  const node = nodeNamed(snapshot, spec.nodeName);
  const isStillTheNodes =
    node !== null &&
    status.leaving !== true &&
    status.bootID !== undefined &&
    status.bootID === bootIDOf(node) &&
    slotsOfNode(snapshot, spec.nodeName).length === 1;
  return metadata.deletionTimestamp !== undefined && !isStillTheNodes;
}

/** Null where the object does not say, or says two things. */
export function nodeNameOf(remediation: SBDRemediation): string | null {
  const node = nodeOfRemediation(remediation);
  return node.ok ? node.nodeName : null;
}

export type RemediationOutcome = "open" | "fenced" | "succeeded" | "failed";

/** How far the conditions say it is. True and False of `Succeeded` are final. */
export function outcomeOf(remediation: SBDRemediation): RemediationOutcome {
  const status = (type: string): string | undefined =>
    remediation.status.conditions?.find((condition) => condition.type === type)?.status;
  if (status("Succeeded") === "True") {
    return "succeeded";
  }
  if (status("Succeeded") === "False") {
    return "failed";
  }
  return status("FencingSucceeded") === "True" ? "fenced" : "open";
}

/** Something may still be done for it, or undone: as agents judge it (`src/api/request-state.ts`). */
export function isInHand(remediation: SBDRemediation): boolean {
  return (
    remediation.metadata.deletionTimestamp !== undefined ||
    ["open", "fenced"].includes(outcomeOf(remediation))
  );
}

/** It may still need a message on the device: not deleted, not concluded, ours. */
export function isOpen(remediation: SBDRemediation): boolean {
  const { deletionTimestamp, finalizers } = remediation.metadata;
  return (
    deletionTimestamp === undefined &&
    finalizers?.includes(REMEDIATION_FINALIZER) === true &&
    outcomeOf(remediation) === "open"
  );
}
