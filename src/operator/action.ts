import type { JudgementReason } from "../api/condition-table.ts";
import type { OperatorEventReason } from "../api/event-table.ts";
import type { SBDConfigStatus } from "../api/sbd-config.ts";
import type { SBDNodeSpec, SBDNodeStatus } from "../api/sbd-node.ts";
import type { SBDRemediation, SBDRemediationStatus } from "../api/sbd-remediation.ts";
import type { KubeNodeCondition, KubeTaint } from "./kube-object.ts";

/** An object as it was read: a write to it fails if it has changed since. */
export type Target = {
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
};

/**
 * What a reconciler wants written. Each carries the resourceVersion it was decided on, so that a
 * decision on a stale cache, or by a leader that has been replaced, fails instead of undoing
 * somebody's work. Null in a status patch removes the field.
 */
export type Action =
  | {
      readonly type: "set-remediation-finalizers";
      readonly target: Target;
      readonly finalizers: readonly string[];
    }
  | {
      readonly type: "patch-remediation-status";
      readonly target: Target;
      readonly status: StatusPatch<SBDRemediationStatus>;
    }
  | { readonly type: "set-taints"; readonly target: Target; readonly taints: readonly KubeTaint[] }
  /**
   * NoExecute is not needed any more, as a cache of requests has it, which may be old where the Node's is not:
   * written only where a consistent list shows no request that keeps it (`keepsNoExecute`).
   */
  | {
      readonly type: "release-taints";
      readonly target: Target;
      /** The UID of the request for which NoExecute is lowered to NoSchedule; null: our taints go. */
      readonly lowering: string | null;
      readonly taints: readonly KubeTaint[];
    }
  /** All of them: a list is replaced whole, on the version it was read in. */
  | {
      readonly type: "set-node-conditions";
      readonly target: Target;
      readonly conditions: readonly KubeNodeCondition[];
    }
  | { readonly type: "delete-pod"; readonly target: Target; readonly graceSeconds: number | null }
  | {
      readonly type: "create-sbd-node";
      readonly name: string;
      readonly spec: SBDNodeSpec;
      readonly config: Target;
    }
  | { readonly type: "delete-sbd-node"; readonly target: Target }
  | {
      readonly type: "set-sbd-node-finalizers";
      readonly target: Target;
      readonly finalizers: readonly string[];
    }
  | {
      readonly type: "patch-sbd-node-status";
      readonly target: Target;
      readonly status: StatusPatch<SBDNodeStatus>;
    }
  | {
      readonly type: "patch-config-status";
      readonly target: Target;
      readonly status: StatusPatch<SBDConfigStatus>;
    }
  | {
      readonly type: "set-config-finalizers";
      readonly target: Target;
      readonly finalizers: readonly string[];
    }
  /** Applied wherever what is there may differ from the manifest. */
  | {
      readonly type: "apply-daemon-set" | "apply-deployment";
      readonly manifest: Manifest;
      readonly present: PresentObject | null;
    }
  | { readonly type: "create-job"; readonly manifest: Manifest }
  | {
      readonly type: "delete-daemon-set" | "delete-deployment" | "delete-job";
      readonly target: Target;
    }
  | {
      readonly type: "event";
      readonly about: EventSubject;
      readonly eventType: "Normal" | "Warning";
      readonly reason: EventReason;
      readonly message: string;
    };

export type StatusPatch<Status> = { readonly [Field in keyof Status]?: unknown };
export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
};

/** An object as it was read, before it is applied. */
export type PresentObject = {
  readonly resourceVersion: string;
  /** Counts what was asked of it. */
  readonly generation: number;
};

export function presentOf(object: {
  readonly metadata: {
    readonly resourceVersion?: string | undefined;
    readonly generation?: number | undefined;
  };
}): PresentObject {
  const { resourceVersion = "", generation = 0 } = object.metadata;
  return { resourceVersion, generation };
}

export type EventSubject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly uid: string;
};

/** An event's own reason, or that of a condition that became False. */
export type EventReason = OperatorEventReason | JudgementReason;

export function targetOf(object: {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly uid?: string | undefined;
    readonly resourceVersion?: string | undefined;
  };
}): Target {
  const { name, namespace, uid = "", resourceVersion = "" } = object.metadata;
  return { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) };
}

/** What is written, whatever is to be written there: the same write, tried again, has the same key. */
export function writeKeyOf(action: Action): string {
  switch (action.type) {
    case "event":
      return `event ${action.about.uid}`;
    case "create-sbd-node":
      return `${action.type} ${action.spec.nodeName}`;
    case "apply-daemon-set":
    case "apply-deployment":
    case "create-job":
      return `${action.type} ${action.manifest.metadata.name}`;
    default:
      return `${action.type} ${action.target.namespace ?? ""}/${action.target.name}`;
  }
}

export function remediationEvent(
  remediation: SBDRemediation,
  eventType: "Normal" | "Warning",
  reason: EventReason,
  message: string,
): Action {
  const { name, namespace, uid = "" } = remediation.metadata;
  return {
    type: "event",
    about: {
      apiVersion: remediation.apiVersion,
      kind: remediation.kind,
      name,
      uid,
      ...(namespace === undefined ? {} : { namespace }),
    },
    eventType,
    reason,
    message,
  };
}
