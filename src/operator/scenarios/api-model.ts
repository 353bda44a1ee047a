import assert from "node:assert/strict";

import { NODE_SLOT_FINALIZER } from "../../api/remediation-names.ts";
import { parseSBDConfig } from "../../api/sbd-config.ts";
import { parseSBDNode } from "../../api/sbd-node.ts";
import { parseSBDRemediation } from "../../api/sbd-remediation.ts";
import type { Target } from "../action.ts";
import type { WriteAction } from "../driver/operator-driver.ts";
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
} from "../kube-object.ts";
import type { Snapshot } from "../snapshot.ts";
import { keepsNoExecute, type StandingRequest } from "../standing-request.ts";

export type Kind =
  | "SBDConfig"
  | "SBDNode"
  | "SBDRemediation"
  | "Node"
  | "Pod"
  | "VolumeAttachment"
  | "PersistentVolume"
  | "DaemonSet"
  | "PersistentVolumeClaim"
  | "Job"
  | "Deployment"
  | "Lease";

export type StoredMeta = {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string }[];
};

export type Stored = {
  readonly kind: Kind;
  readonly apiVersion: string;
  metadata: StoredMeta;
  spec?: unknown;
  status?: unknown;
};

/** What becomes of a write: only `done` changed anything. */
export type Outcome = "done" | "conflict" | "exists" | "gone";

const API_VERSIONS: Readonly<Record<Kind, string>> = {
  SBDConfig: "medik8s.io/v1alpha1",
  SBDNode: "medik8s.io/v1alpha1",
  SBDRemediation: "medik8s.io/v1alpha1",
  Node: "v1",
  Pod: "v1",
  VolumeAttachment: "storage.k8s.io/v1",
  PersistentVolume: "v1",
  DaemonSet: "apps/v1",
  PersistentVolumeClaim: "v1",
  Job: "batch/v1",
  Deployment: "apps/v1",
  Lease: "coordination.k8s.io/v1",
};

/**
 * The part of an API server that the reconcilers meet: versions and conflicts, UIDs, deletion that
 * waits for finalizers, merge patches. Objects are handed out as deep copies.
 */
export class ApiModel {
  readonly #objects = new Map<string, Stored>();
  readonly #wall: () => string;
  #version = 0;
  #uid = 0;

  constructor(wall: () => string) {
    this.#wall = wall;
  }

  create(
    kind: Kind,
    metadata: Partial<StoredMeta> & { name: string },
    body: { readonly spec?: unknown; readonly status?: unknown } = {},
  ): Outcome {
    const key = keyOf(kind, metadata.name);
    if (this.#objects.has(key)) {
      return "exists";
    }
    this.#uid += 1;
    this.#objects.set(key, {
      kind,
      apiVersion: API_VERSIONS[kind],
      ...structuredClone(body),
      metadata: {
        generation: 1,
        ...structuredClone(metadata),
        creationTimestamp: metadata.creationTimestamp ?? this.#wall(),
        uid: `uid-${this.#uid}`,
        resourceVersion: this.#nextVersion(),
      },
    });
    return "done";
  }

  get(kind: Kind, name: string): Stored | null {
    const found = this.#objects.get(keyOf(kind, name));
    return found === undefined ? null : structuredClone(found);
  }

  list(kind: Kind): readonly Stored[] {
    return [...this.#objects.values()]
      .filter((object) => object.kind === kind)
      .map((object) => structuredClone(object));
  }

  /** A write by somebody who has read the object just now; the object must be there. */
  change(kind: Kind, name: string, change: (object: Stored) => void): void {
    const found = this.#objects.get(keyOf(kind, name));
    assert.ok(found, `there is no ${kind} ${name}`);
    const before = JSON.stringify(found);
    change(found);
    if (JSON.stringify(found) !== before) {
      found.metadata.resourceVersion = this.#nextVersion();
    }
    this.#collect(found);
  }

  delete(kind: Kind, name: string): Outcome {
    const found = this.#objects.get(keyOf(kind, name));
    if (found === undefined) {
      return "gone";
    }
    if (found.metadata.deletionTimestamp === undefined) {
      found.metadata.deletionTimestamp = this.#wall();
      found.metadata.resourceVersion = this.#nextVersion();
    }
    this.#collect(found);
    return "done";
  }

  snapshot(): Snapshot {
    const bare = (kind: Kind): unknown => this.list(kind);
    return {
      configs: this.list("SBDConfig").map((object) => valid(parseSBDConfig(object))),
      sbdNodes: this.list("SBDNode").map((object) => valid(parseSBDNode(object))),
      remediations: this.list("SBDRemediation").map((object) => valid(parseSBDRemediation(object))),
      nodes: bare("Node") as readonly KubeNode[],
      pods: bare("Pod") as readonly KubePod[],
      volumeAttachments: bare("VolumeAttachment") as readonly KubeVolumeAttachment[],
      persistentVolumes: bare("PersistentVolume") as readonly KubePersistentVolume[],
      daemonSets: bare("DaemonSet") as readonly KubeDaemonSet[],
      claims: bare("PersistentVolumeClaim") as readonly KubeClaim[],
      jobs: bare("Job") as readonly KubeJob[],
      fencerDeployments: bare("Deployment") as readonly KubeDeployment[],
      fencerLeases: bare("Lease") as readonly KubeLease[],
    };
  }

  /** Does what an action asks for, on the version it was decided on. */
  apply(action: WriteAction): Outcome {
    switch (action.type) {
      case "set-remediation-finalizers":
        return this.#write("SBDRemediation", action.target, (object) => {
          object.metadata.finalizers = [...action.finalizers];
        });
      case "set-sbd-node-finalizers":
        return this.#write("SBDNode", action.target, (object) => {
          object.metadata.finalizers = [...action.finalizers];
        });
      case "patch-remediation-status":
        return this.#write("SBDRemediation", action.target, mergeStatus(action.status));
      case "patch-sbd-node-status":
        return this.#write("SBDNode", action.target, mergeStatus(action.status));
      case "patch-config-status":
        return this.#write("SBDConfig", action.target, mergeStatus(action.status));
      case "release-taints": {
        const { name } = action.target;
        const requests = this.list("SBDRemediation") as readonly StandingRequest[];
        return requests.some((request) => keepsNoExecute(request, name, action.lowering))
          ? "conflict"
          : this.apply({ ...action, type: "set-taints" });
      }
      case "set-taints":
        return this.#write("Node", action.target, (object) => {
          object.spec = merge(object.spec, { taints: action.taints });
        });
      case "set-node-conditions":
        return this.#write("Node", action.target, mergeStatus({ conditions: action.conditions }));
      case "delete-pod":
        return this.#deletePod(action.target, action.graceSeconds);
      case "delete-sbd-node":
        return this.#delete("SBDNode", action.target);
      case "create-sbd-node":
        return this.create(
          "SBDNode",
          {
            name: action.name,
            finalizers: [NODE_SLOT_FINALIZER],
            ownerReferences: [
              {
                apiVersion: API_VERSIONS.SBDConfig,
                kind: "SBDConfig",
                name: action.config.name,
                uid: action.config.uid,
              },
            ],
          },
          { spec: action.spec },
        );
      case "apply-daemon-set":
        this.#apply("DaemonSet", action.manifest as unknown as Stored);
        return "done";
      case "apply-deployment":
        this.#apply("Deployment", action.manifest as unknown as Stored);
        return "done";
      case "create-job": {
        const { metadata, spec } = action.manifest as unknown as Stored;
        return this.create("Job", { ...metadata }, { spec });
      }
      case "delete-job":
        return this.#delete("Job", action.target);
      case "delete-daemon-set":
        return this.#delete("DaemonSet", action.target);
      case "set-config-finalizers":
        return this.#write("SBDConfig", action.target, (object) => {
          object.metadata.finalizers = [...action.finalizers];
        });
      case "delete-deployment":
        return this.#delete("Deployment", action.target);
    }
  }

  #apply(kind: "DaemonSet" | "Deployment", { metadata, spec }: Stored): void {
    if (this.create(kind, { ...metadata }, { spec }) === "exists") {
      this.change(kind, metadata.name, (object) => {
        object.spec = structuredClone(spec);
      });
    }
  }

  #write(kind: Kind, target: Target, change: (object: Stored) => void): Outcome {
    const found = this.#objects.get(keyOf(kind, target.name));
    if (found === undefined) {
      return "gone";
    }
    const { uid, resourceVersion } = found.metadata;
    if (uid !== target.uid || resourceVersion !== target.resourceVersion) {
      return "conflict";
    }
    this.change(kind, target.name, change);
    return "done";
  }

  #delete(kind: Kind, target: Target): Outcome {
    const found = this.#objects.get(keyOf(kind, target.name));
    if (found === undefined || found.metadata.uid !== target.uid) {
      return "gone";
    }
    this.delete(kind, target.name);
    return "done";
  }

  /** A pod stays until its kubelet, or somebody with no grace, says that it ended. */
  #deletePod({ name, uid }: Target, graceSeconds: number | null): Outcome {
    const found = this.#objects.get(keyOf("Pod", name));
    if (found === undefined || found.metadata.uid !== uid) {
      return "gone";
    }
    found.metadata.deletionTimestamp ??= this.#wall();
    found.metadata.deletionGracePeriodSeconds = graceSeconds ?? 30;
    found.metadata.resourceVersion = this.#nextVersion();
    if (graceSeconds === 0) {
      this.#collect(found);
    }
    return "done";
  }

  #collect(object: Stored): void {
    const { deletionTimestamp, finalizers = [], name } = object.metadata;
    if (deletionTimestamp !== undefined && finalizers.length === 0) {
      this.#objects.delete(keyOf(object.kind, name));
    }
  }

  #nextVersion(): string {
    this.#version += 1;
    return String(this.#version);
  }
}

/** RFC 7386. */
export function merge(target: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) {
    return patch;
  }
  const base: Record<string, unknown> =
    target !== null && typeof target === "object" && !Array.isArray(target)
      ? { ...(target as Record<string, unknown>) }
      : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      delete base[key];
    } else if (value !== undefined) {
      base[key] = merge(base[key], value);
    }
  }
  return base;
}

function mergeStatus(status: object): (object: Stored) => void {
  return (object) => {
    object.status = merge(object.status ?? {}, structuredClone(status));
  };
}

function keyOf(kind: Kind, name: string): string {
  return `${kind}/${name}`;
}

function valid<T>(
  parsed:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly error: { readonly message: string } },
): T {
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.error.message);
  return parsed.value;
}
