import { API_VERSION } from "../src/api/group.ts";
import {
  NODE_NAME_ANNOTATION,
  NODE_SLOT_FINALIZER,
  TEMPLATE_NAME_ANNOTATION,
  TIMED_OUT_ANNOTATION,
} from "../src/api/remediation-names.ts";
import type { SBDConfig } from "../src/api/sbd-config.ts";
import { sbdNodeName, type SBDNode, type SBDNodeSpec } from "../src/api/sbd-node.ts";
import type { SBDRemediation } from "../src/api/sbd-remediation.ts";
import type {
  KubeClaim,
  KubeDaemonSet,
  KubeJob,
  KubeNode,
  KubePod,
  KubeVolumeAttachment,
} from "../src/operator/kube-object.ts";
import { nodeNameOf, type Snapshot } from "../src/operator/snapshot.ts";
import { ObjectStore, type Counters } from "./object-store.ts";
import type { Random } from "./random.ts";
import type { Timeline } from "./timeline.ts";
import { wallAt } from "./world.ts";

/** The one SBDConfig of every run. */
export const CONFIG_NAME = "sbd";
export const NAMESPACE = "sbd-system";

const LATENCY_MS = 15;
/** The device is there, and was initialised before the run. */
const NO_CLAIMS: readonly KubeClaim[] = [];
const NO_JOBS: readonly KubeJob[] = [];

/**
 * The API server: one consistent store, and between it and each client a network that fails. A
 * request that was applied may lose its answer, and one that was given up may arrive all the same.
 */
export class ApiStore {
  readonly configs: ObjectStore<SBDConfig>;
  readonly sbdNodes: ObjectStore<SBDNode>;
  readonly remediations: ObjectStore<SBDRemediation>;
  readonly nodes: ObjectStore<KubeNode>;
  readonly pods: ObjectStore<KubePod>;
  readonly volumeAttachments: ObjectStore<KubeVolumeAttachment>;
  readonly daemonSets: ObjectStore<KubeDaemonSet>;
  /** When each kubelet last renewed its lease, by Node name. */
  readonly heardMs = new Map<string, number>();
  /** What each kubelet last said to have mounted, by Node name. */
  readonly volumesInUse = new Map<string, ReadonlySet<string>>();
  /** Of the operator's replicas. */
  lease = { holder: 0, renewedMs: -Infinity };
  slowMs = 0;
  /** Every request takes exactly so long, there and back; null = as chance has it. */
  steadyMs: number | null = null;
  readonly #timeline: Timeline;
  readonly #random: Random;
  #version = 0;
  readonly #serials = new Map<string, number>();

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
    const counters: Counters = {
      nextVersion: () => {
        this.#version += 1;
        return String(this.#version);
      },
      nextUID: (kind) => {
        const serial = (this.#serials.get(kind) ?? 0) + 1;
        this.#serials.set(kind, serial);
        return `${kind}-${serial}`;
      },
      wall: () => wallAt(timeline.nowMs),
    };
    this.configs = new ObjectStore("config", counters);
    this.sbdNodes = new ObjectStore("sbdnode", counters);
    this.remediations = new ObjectStore("request", counters);
    this.nodes = new ObjectStore("node", counters);
    this.pods = new ObjectStore("pod", counters);
    this.volumeAttachments = new ObjectStore("attachment", counters);
    this.daemonSets = new ObjectStore("daemonset", counters);
  }

  /** Of the newest change. */
  get resourceVersion(): string {
    return String(this.#version);
  }

  /** Everything there is. The arrays are the same until something of their kind changes. */
  snapshot(): Snapshot {
    return {
      configs: this.configs.list(),
      sbdNodes: this.sbdNodes.list(),
      remediations: this.remediations.list(),
      nodes: this.nodes.list(),
      pods: this.pods.list(),
      volumeAttachments: this.volumeAttachments.list(),
      persistentVolumes: [],
      daemonSets: this.daemonSets.list(),
      claims: NO_CLAIMS,
      jobs: NO_JOBS,
      fencerDeployments: [],
      fencerLeases: [],
    };
  }

  /**
   * @param client `reaches` is asked when the request arrives and again when the answer does; after
   *   `timeoutMs` the client waits no longer
   * @param act what the API server does, at one instant
   * @param hear gets null where no answer came in time
   */
  call<Answer>(
    client: { readonly reaches: () => boolean; readonly timeoutMs: number },
    act: () => Answer,
    hear: (answer: Answer | null) => void,
  ): void {
    const thereMs = this.#latencyMs();
    const backMs = this.#latencyMs();
    const startedMs = this.#timeline.nowMs;
    const giveUpMs = startedMs + client.timeoutMs;
    const fail = (): void => this.#timeline.at(giveUpMs, () => hear(null));
    const isLate = thereMs + backMs > client.timeoutMs;
    if (isLate) {
      fail();
    }
    this.#timeline.after(thereMs, () => {
      if (!client.reaches()) {
        if (!isLate) {
          fail();
        }
        return;
      }
      const answer = act();
      if (!isLate) {
        this.#timeline.after(backMs, () => (client.reaches() ? hear(answer) : fail()));
      }
    });
  }

  createNode(name: string): KubeNode {
    const created = this.nodes.create({
      metadata: { name, labels: { "kubernetes.io/os": "linux" } },
      spec: {},
      status: { conditions: [{ type: "Ready", status: "False" }] },
    });
    this.heardMs.set(name, this.#timeline.nowMs);
    return created ?? this.nodes.get(name)!;
  }

  /** As an operator does that is about to be replaced: what it has seen is its own affair. */
  createSBDNode(
    spec: SBDNodeSpec,
    config: { readonly name: string; readonly uid: string },
  ): boolean {
    const created = this.sbdNodes.create({
      apiVersion: API_VERSION,
      kind: "SBDNode",
      metadata: {
        name: sbdNodeName(spec.configName, spec.nodeID),
        finalizers: [NODE_SLOT_FINALIZER],
        ownerReferences: [{ apiVersion: API_VERSION, kind: "SBDConfig", ...config }],
      },
      spec,
      status: {},
    });
    return created !== null;
  }

  /**
   * NodeHealthCheck names its requests after their nodes, so that there is one of them at most; an
   * administrator's has a name of its own. Null where the name is taken.
   */
  createRemediation(nodeName: string, by: "health-check" | "administrator"): SBDRemediation | null {
    const serial = (this.#serials.get("request") ?? 0) + 1;
    const healthCheck = {
      name: nodeName,
      annotations: { [NODE_NAME_ANNOTATION]: nodeName, [TEMPLATE_NAME_ANNOTATION]: "sbd" },
      ownerReferences: [
        {
          apiVersion: "remediation.medik8s.io/v1alpha1",
          kind: "NodeHealthCheck",
          name: "nhc",
          uid: "nhc-1",
        },
      ],
    };
    return this.remediations.create({
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: {
        namespace: NAMESPACE,
        ...(by === "health-check" ? healthCheck : { name: `request-${serial}` }),
      },
      spec: {
        remediationStrategy: "Automatic",
        ...(by === "health-check" ? {} : { nodeName }),
      },
      status: {},
    });
  }

  timeOut(name: string): void {
    this.remediations.update(name, (request) => ({
      ...request,
      metadata: {
        ...request.metadata,
        annotations: {
          ...request.metadata.annotations,
          [TIMED_OUT_ANNOTATION]: wallAt(this.#timeline.nowMs),
        },
      },
    }));
  }

  requestsFor(nodeName: string): SBDRemediation[] {
    return this.remediations.list().filter((request) => nodeNameOf(request) === nodeName);
  }

  #latencyMs(): number {
    return this.steadyMs === null
      ? (LATENCY_MS + this.slowMs) * (0.5 + this.#random.next())
      : this.steadyMs / 2;
  }
}

export function isOfHealthCheck({ metadata }: SBDRemediation): boolean {
  return metadata.ownerReferences?.some(({ kind }) => kind === "NodeHealthCheck") === true;
}

export function uidOf({
  metadata,
}: {
  readonly metadata: { readonly uid?: string | undefined };
}): string {
  return metadata.uid ?? "";
}
