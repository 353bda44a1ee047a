import type { ObjectMeta } from "../api/object-meta.ts";

/** The parts of Kubernetes' own objects that the reconcilers look at. */
export type KubeMeta = ObjectMeta & { readonly name: string };

export type KubeNode = {
  readonly metadata: KubeMeta;
  readonly spec?: { readonly taints?: readonly KubeTaint[] };
  readonly status?: {
    readonly nodeInfo?: { readonly bootID?: string; readonly systemUUID?: string };
    readonly conditions?: readonly KubeNodeCondition[];
  };
};

export type KubeTaint = {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
};

export type KubeNodeCondition = {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastHeartbeatTime?: string;
  readonly lastTransitionTime?: string;
};

export type KubePod = {
  readonly metadata: KubeMeta;
  readonly spec?: {
    readonly nodeName?: string;
    readonly volumes?: readonly {
      readonly name: string;
      readonly persistentVolumeClaim?: { readonly claimName: string };
      readonly ephemeral?: object;
    }[];
    readonly tolerations?: readonly {
      readonly key?: string;
      readonly operator?: string;
      readonly value?: string;
      readonly effect?: string;
      readonly tolerationSeconds?: number;
    }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly KubeContainerStatus[];
  };
};

export type KubeContainerStatus = {
  readonly state?: KubeContainerState;
  readonly lastState?: KubeContainerState;
};

type KubeContainerState = {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: {
    readonly exitCode?: number;
    readonly reason?: string;
    readonly message?: string;
  };
};

export type KubeClaim = {
  readonly metadata: KubeMeta;
  readonly spec?: {
    readonly accessModes?: readonly string[];
    readonly volumeMode?: string;
  };
  readonly status?: { readonly phase?: string; readonly accessModes?: readonly string[] };
};

export type KubeJob = {
  readonly metadata: KubeMeta;
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
};

export type KubeVolumeAttachment = {
  readonly metadata: KubeMeta;
  readonly spec?: {
    readonly nodeName?: string;
    readonly source?: { readonly persistentVolumeName?: string };
  };
};

export type KubePersistentVolume = {
  readonly metadata: KubeMeta;
  readonly spec?: { readonly claimRef?: { readonly namespace?: string; readonly name?: string } };
};

export type KubeDaemonSet = {
  readonly metadata: KubeMeta;
  readonly spec?: {
    readonly template?: {
      readonly spec?: {
        readonly containers?: readonly { readonly volumeDevices?: readonly unknown[] }[];
      };
    };
  };
  readonly status?: {
    readonly desiredNumberScheduled?: number;
    readonly numberReady?: number;
  };
};

export type KubeDeployment = { readonly metadata: KubeMeta };

export type KubeLease = {
  readonly metadata: KubeMeta;
  readonly spec?: { readonly holderIdentity?: string; readonly renewTime?: string };
};

export function isReady(node: KubeNode): boolean {
  return (
    node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ??
    false
  );
}

/** Its kubelet has not been heard of for so long that Kubernetes knows nothing of it any more. */
export function isSilent(node: KubeNode): boolean {
  return (
    node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "Unknown") ??
    false
  );
}

/** Empty where the kubelet has told none. */
export function bootIDOf(node: KubeNode): string {
  return node.status?.nodeInfo?.bootID ?? "";
}

export function hasTaint(node: KubeNode, key: string, effect?: string): boolean {
  return (
    node.spec?.taints?.some(
      (taint) => taint.key === key && (effect === undefined || taint.effect === effect),
    ) ?? false
  );
}

/** Kubernetes evicts it, at once or in time, from a node with a NoExecute taint of that key. */
export function isEvicted(pod: KubePod, key: string): boolean {
  const tolerated = pod.spec?.tolerations?.some(
    (toleration) =>
      toleration.tolerationSeconds === undefined &&
      (toleration.effect === undefined ||
        toleration.effect === "" ||
        toleration.effect === "NoExecute") &&
      ((toleration.operator === "Exists" &&
        (toleration.key === undefined || toleration.key === "" || toleration.key === key)) ||
        (toleration.key === key && (toleration.value ?? "") === "")),
  );
  const isMirror = pod.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined;
  return tolerated !== true && !hasEnded(pod) && !isMirror;
}

/** None of its containers runs any more. */
export function hasEnded({ status }: KubePod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** The claims it uses, as `namespace/name`. */
export function claimsOf({ metadata, spec }: KubePod): readonly string[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    // The claim of a generic ephemeral volume is named after its pod.
    const claim =
      persistentVolumeClaim?.claimName ??
      (ephemeral === undefined ? null : `${metadata.name}-${name}`);
    return claim === null ? [] : [`${metadata.namespace ?? ""}/${claim}`];
  });
}
