import { fieldAt, type KubeObject } from "../../kube/kube-object.ts";

/*
 * A cluster of 255 nodes has thousands of pods. An operator that kept each whole would need several times
 * the memory of one that keeps what a reconciler may look at.
 */

/** All but what containers are made of. */
export function withoutContainers(pod: KubeObject): KubeObject {
  const { volumes, tolerations, nodeName } = partOf(pod, "spec");
  const { phase, conditions, containerStatuses } = partOf(pod, "status");
  return {
    ...pod,
    metadata: withoutManagers(pod),
    spec: { volumes, tolerations, nodeName },
    status: { phase, conditions, containerStatuses },
  };
}

/** A kubelet lists up to 50 images in its Node's status, which is most of the Node. */
export function withoutImages(node: KubeObject): KubeObject {
  const status = { ...partOf(node, "status"), images: undefined };
  return { ...node, metadata: withoutManagers(node), status };
}

/** Which program set which field is for the API server alone. */
function withoutManagers({ metadata }: KubeObject): KubeObject["metadata"] {
  return Object.fromEntries(
    Object.entries(metadata).filter(([field]) => field !== "managedFields"),
  );
}

function partOf(object: KubeObject, part: string): Readonly<Record<string, unknown>> {
  return (fieldAt(object, part) ?? {}) as Readonly<Record<string, unknown>>;
}
