import { fieldAt, type KubeObject } from "../../kube/kube-object.ts";

/*
 * A cluster of 255 nodes has thousands of pods. An operator that kept each whole would need several times
 * the memory of one that keeps what a reconciler may look at.
 */

/** All but what containers are made of, and what the API server alone wants to know. */
export function withoutContainers(pod: KubeObject): KubeObject {
  const { volumes, tolerations, nodeName } = partOf(pod, "spec");
  const { phase, conditions, containerStatuses } = partOf(pod, "status");
  return {
    ...identityOf(pod),
    spec: { volumes, tolerations, nodeName },
    status: { phase, conditions, containerStatuses },
  };
}

/** A kubelet lists up to 50 images in its Node's status, which is most of the Node. */
export function withoutImages(node: KubeObject): KubeObject {
  const { images, ...status } = partOf(node, "status");
  return { ...identityOf(node), spec: partOf(node, "spec"), status };
}

/** With metadata but for who set which field. */
function identityOf({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { managedFields, ...kept } = metadata as KubeObject["metadata"] & {
    readonly managedFields?: unknown;
  };
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata: kept,
  };
}

function partOf(object: KubeObject, part: string): Readonly<Record<string, unknown>> {
  return (fieldAt(object, part) ?? {}) as Readonly<Record<string, unknown>>;
}
