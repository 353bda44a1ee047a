import assert from "node:assert/strict";

import { isFencerName } from "../../api/fencer-name.ts";
import type { Action } from "../action.ts";
import type { FencingEvidence } from "../../api/fencing-status.ts";
import type { KubeNode, KubeTaint } from "../kube-object.ts";
import { ApiModel, merge, type Stored, type StoredMeta } from "./api-model.ts";
import { guardWrite } from "./guard-write.ts";
import { Leader, wallAt } from "./leader.ts";

export const CONFIG = "default";
export const M_MS = 22_000;
/** Without a request an agent that has not reported for so long is silent. */
export const QUIET_SILENCE_MS = 41_000;
/** T = 10 s, W = 5 s, so that M = 10 + 2 × 5 + 2 = 22 s. */
const CONFIG_SPEC = {
  sbdDevicePVCName: "sbd-device",
  sbdTimeoutSeconds: 10,
  watchdogTimeoutSeconds: 5,
  sbdWatchdogPath: "/dev/watchdog",
};
const TICK_MS = 1_000;
const SETTLES_WITHIN_ROUNDS = 12;

/** Boot number `boot` of a node, as the kernel would name it. */
export function bootOf(nodeName: string, boot = 1): string {
  const number = Number(/\d+$/.exec(nodeName)?.[0] ?? 0);
  return `00000000-0000-4000-8000-${String(number * 1_000 + boot).padStart(12, "0")}`;
}

export type ClusterOptions = {
  readonly nodes?: number;
  readonly config?: Readonly<Record<string, unknown>>;
};

/**
 * A cluster in which everybody but the operator is a stand-in that the test steers: kubelets, agents,
 * named fencers, NodeHealthCheck. Every write of a leader is checked against what must never be.
 */
export class Cluster {
  readonly api: ApiModel;
  readonly leader: Leader;
  /** What the leader wrote, a line a write, since the last `takeTrace`. */
  readonly #trace: string[] = [];
  readonly #beating = new Set<string>();
  nowMs = 0;
  /** What the device header says, as agents report it. */
  header: Readonly<Record<string, unknown>>;

  constructor({ nodes = 3, config = {} }: ClusterOptions = {}) {
    this.api = new ApiModel(() => wallAt(this.nowMs));
    this.leader = this.newLeader();
    this.header = {
      sbdTimeoutSeconds: 10,
      watchdogTimeoutSeconds: 5,
      onStorageLoss: config["onStorageLoss"] ?? "SelfFence",
      configUID: "uid-1",
      clusterUID: "cluster-1",
    };
    this.api.create("SBDConfig", { name: CONFIG }, { spec: { ...CONFIG_SPEC, ...config } });
    this.api.create(
      "PersistentVolumeClaim",
      { name: "sbd-device", namespace: "sbd-system" },
      {
        spec: { accessModes: ["ReadWriteMany"], volumeMode: "Block" },
        status: { phase: "Bound" },
      },
    );
    for (let number = 1; number <= nodes; number += 1) {
      this.addNode(`worker-${number}`);
    }
    this.settle();
    for (const { spec } of this.api.list("SBDNode")) {
      this.#beating.add((spec as { nodeName: string }).nodeName);
    }
    this.beat();
    this.settle();
    this.takeTrace();
  }

  newLeader(): Leader {
    return new Leader(this.api, (action, decidedOn) => {
      this.#trace.push(lineOf(action));
      guardWrite(action, decidedOn, this.api);
    });
  }

  addNode(name: string, labels: Readonly<Record<string, string>> = {}): void {
    this.api.create(
      "Node",
      { name, labels: { "kubernetes.io/os": "linux", ...labels } },
      {
        spec: {},
        status: {
          nodeInfo: { bootID: bootOf(name) },
          conditions: [{ type: "Ready", status: "True" }],
        },
      },
    );
  }

  node(name: string): KubeNode {
    const found = this.api.get("Node", name);
    assert.ok(found);
    return found as unknown as KubeNode;
  }

  /** `key:effect`, sorted. */
  taints(name: string): readonly string[] {
    return (this.node(name).spec?.taints ?? [])
      .map(({ key, effect }: KubeTaint) => `${key}:${effect}`)
      .toSorted();
  }

  setReady(name: string, status: "True" | "False" | "Unknown"): void {
    this.api.change("Node", name, (node) => {
      const { conditions = [] } = node.status as { conditions?: { type: string }[] };
      const others = conditions.filter(({ type }) => type !== "Ready");
      node.status = merge(node.status, { conditions: [...others, { type: "Ready", status }] });
    });
  }

  /** The node's kubelet is silent, as the node controller shows it, and so is its agent. */
  lose(name: string): void {
    this.#beating.delete(name);
    this.setReady(name, "Unknown");
  }

  tellMachine(name: string, systemUUID: string): void {
    this.api.change("Node", name, (node) => {
      node.status = merge(node.status, { nodeInfo: { systemUUID } });
    });
  }

  /** Its kubelet reports from another boot. */
  reboot(name: string, boot: number, ready: "True" | "False" = "True"): void {
    this.api.change("Node", name, (node) => {
      node.status = merge(node.status, { nodeInfo: { bootID: bootOf(name, boot) } });
    });
    this.setReady(name, ready);
  }

  silence(nodeName: string): void {
    this.#beating.delete(nodeName);
  }

  resume(nodeName: string): void {
    this.#beating.add(nodeName);
  }

  slotOf(nodeName: string): Stored | null {
    return (
      this.api
        .list("SBDNode")
        .find(({ spec }) => (spec as { nodeName: string }).nodeName === nodeName) ?? null
    );
  }

  /**
   * Every agent that lives reports a good pass, every fencer of a Deployment renews its Lease, and
   * every named one reports that it has looked.
   */
  beat(): void {
    for (const name of [...this.#beating].filter(isFencerName)) {
      this.api.create("Lease", { name, namespace: "sbd-system" });
      this.api.change("Lease", name, (lease) => {
        lease.spec = { holderIdentity: `${name}-pod`, renewTime: wallAt(this.nowMs) };
      });
    }
    for (const { metadata, spec } of this.api.list("SBDNode")) {
      const { nodeName } = spec as { nodeName: string };
      if (this.#beating.has(nodeName)) {
        this.agentReports(metadata.name, {
          lastPassTime: wallAt(this.nowMs),
          armed: true,
          contract: this.header,
        });
      }
    }
    for (const { metadata, status } of this.api.list("SBDRemediation")) {
      const agent = (status as { fencing?: { agent?: string } } | undefined)?.fencing?.agent ?? "";
      if (this.#beating.has(agent)) {
        this.api.change("SBDRemediation", metadata.name, (object) => {
          object.status = merge(object.status, {
            fencing: { lastPassTime: wallAt(this.nowMs) },
          });
        });
      }
    }
  }

  agentReports(sbdNodeName: string, status: Readonly<Record<string, unknown>>): void {
    this.api.change("SBDNode", sbdNodeName, (object) => {
      object.status = merge(object.status ?? {}, status);
    });
  }

  createRemediation(
    name: string,
    options: {
      readonly nodeName?: string;
      readonly annotation?: string;
      readonly strategy?: string;
      readonly metadata?: Partial<StoredMeta>;
    } = {},
  ): void {
    const { nodeName, annotation, strategy, metadata } = options;
    this.api.create(
      "SBDRemediation",
      {
        name,
        namespace: "sbd-system",
        ...(annotation === undefined
          ? {}
          : { annotations: { "remediation.medik8s.io/node-name": annotation } }),
        ...metadata,
      },
      {
        spec: {
          ...(nodeName === undefined ? {} : { nodeName }),
          ...(strategy === undefined ? {} : { remediationStrategy: strategy }),
        },
      },
    );
  }

  annotate(name: string, annotations: Readonly<Record<string, string>>): void {
    this.api.change("SBDRemediation", name, ({ metadata }) => {
      metadata.annotations = { ...metadata.annotations, ...annotations };
    });
  }

  status(name: string): RemediationView {
    const found = this.api.get("SBDRemediation", name);
    assert.ok(found, `there is no SBDRemediation ${name}`);
    return found.status ?? {};
  }

  fencer(name: string): string {
    return this.status(name).fencing?.agent ?? "";
  }

  /** The named fencer's word, as its API process patches it in. */
  fencerReports(name: string, fencing: Readonly<Record<string, unknown>>): void {
    assert.notEqual(this.fencer(name), "", `nobody is named for ${name}`);
    this.api.change("SBDRemediation", name, (object) => {
      object.status = merge(object.status, { fencing });
    });
  }

  reportDurable(
    name: string,
    nodeName: string,
    more: Readonly<Record<string, unknown>> = {},
  ): void {
    this.fencerReports(name, {
      state: "Durable",
      epoch: 1,
      bootID: bootOf(nodeName),
      messageDurableTime: wallAt(this.nowMs),
      ...more,
    });
  }

  reportProven(name: string, nodeName: string, kind = "Bounded"): void {
    this.fencerReports(name, {
      state: "Proven",
      bootID: bootOf(nodeName),
      evidence: {
        kind,
        time: wallAt(this.nowMs),
        bootID: bootOf(nodeName),
        detail: `${kind}, by the test`,
      },
    });
  }

  addPod(
    name: string,
    nodeName: string,
    more: Readonly<Record<string, unknown>> = {},
    metadata: Partial<StoredMeta> = {},
  ): void {
    this.api.create(
      "Pod",
      { name, namespace: "apps", ...metadata },
      { spec: { nodeName, ...more }, status: { phase: "Running" } },
    );
  }

  /** Of volume `name`, which is bound to claim `apps/<claim>`. */
  addAttachment(name: string, nodeName: string, claim = name): void {
    const source = { persistentVolumeName: name };
    this.api.create("VolumeAttachment", { name }, { spec: { nodeName, source } });
    const claimRef = { namespace: "apps", name: claim };
    this.api.create("PersistentVolume", { name }, { spec: { claimRef } });
  }

  /** One look of the leader at everything there is. */
  round(leader: Leader = this.leader): number {
    leader.look(this.api.snapshot(), this.nowMs);
    const written = leader.write(this.nowMs);
    return written.filter(
      ({ action, outcome }) =>
        outcome === "done" &&
        !["event", "apply-daemon-set", "apply-deployment"].includes(action.type),
    ).length;
  }

  /** Rounds at one instant until the leader wants nothing more; a leader that never rests fails. */
  settle(leader: Leader = this.leader): void {
    for (let round = 0; round < SETTLES_WITHIN_ROUNDS; round += 1) {
      if (this.round(leader) === 0) {
        return;
      }
    }
    assert.fail(`the leader finds no rest: ${this.#trace.slice(-6).join(" | ")}`);
  }

  /** Time passes: agents beat, the leader looks. */
  pass(ms: number, leader: Leader = this.leader): void {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(untilMs, this.nowMs + TICK_MS);
      this.beat();
      this.settle(leader);
    }
  }

  takeTrace(): readonly string[] {
    return this.#trace.splice(0);
  }
}

export type RemediationView = {
  readonly phase?: string;
  readonly message?: string;
  readonly nodeName?: string;
  readonly nodeUID?: string;
  readonly nodeBootID?: string;
  readonly lastUpdateTime?: string;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
    readonly lastTransitionTime: string;
  }[];
  readonly fencing?: {
    readonly agent?: string;
    readonly state?: string;
    readonly epoch?: number;
    readonly evidence?: FencingEvidence;
    readonly messageDurableTime?: string;
  };
};

/** A row of the table of conditions: phase, then `type status reason`, in the table's order. */
export function rowOf({ phase, conditions = [] }: RemediationView): readonly string[] {
  const order = ["Processing", "FencingSucceeded", "Succeeded", "Ready"];
  return [
    phase ?? "",
    ...conditions
      .toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type))
      .map(({ type, status, reason }) => `${type} ${status} ${reason}`),
  ];
}

function lineOf(action: Action): string {
  switch (action.type) {
    case "set-remediation-finalizers":
      return `finalizers ${action.target.name} [${action.finalizers.join(" ")}]`;
    case "patch-remediation-status": {
      const { phase, fencing } = action.status as RemediationView;
      const agent = fencing?.agent === undefined ? "" : ` agent=${fencing.agent}`;
      return `status ${action.target.name} ${phase ?? ""}${agent}`;
    }
    case "release-taints":
    case "set-taints":
      return `taints ${action.target.name} [${action.taints.map(({ key, effect }) => `${key}:${effect}`).join(" ")}]`;
    case "set-node-conditions":
      return `conditions ${action.target.name}`;
    case "delete-pod":
      return `delete pod ${action.target.name} grace=${String(action.graceSeconds)}`;
    case "create-sbd-node":
      return `create ${action.name} ${action.spec.nodeName}`;
    case "delete-sbd-node":
    case "delete-daemon-set":
    case "delete-deployment":
    case "delete-job":
      return `delete ${action.target.name}`;
    case "set-config-finalizers":
    case "set-sbd-node-finalizers":
      return `finalizers ${action.target.name} [${action.finalizers.join(" ")}]`;
    case "patch-sbd-node-status": {
      const { slotTask, fencings } = action.status as {
        slotTask?: { kind: string; agent: string };
        fencings?: unknown;
      };
      if (fencings !== undefined) return `fencings ${action.target.name}`;
      return `task ${action.target.name} ${slotTask?.kind ?? ""} by ${slotTask?.agent ?? ""}`;
    }
    case "patch-config-status":
      return `status ${action.target.name}`;
    case "create-job":
      return `create ${action.manifest.metadata.name}`;
    case "apply-daemon-set":
    case "apply-deployment":
      return `apply ${action.manifest.metadata.name}`;
    case "event":
      return `event ${action.eventType} ${action.reason} ${action.about.name}: ${action.message}`;
  }
}
