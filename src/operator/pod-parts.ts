import { API_VERSION } from "../api/group.ts";
import { SBD_CONFIG, type SBDConfig } from "../api/sbd-config.ts";

/** What makes an object go when its SBDConfig goes. */
export function ownerOf({ metadata }: SBDConfig): Readonly<Record<string, unknown>> {
  return {
    apiVersion: API_VERSION,
    kind: SBD_CONFIG.kind,
    name: metadata.name,
    uid: metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** A pod template as the API server takes it. */
export type PodTemplate = Readonly<Record<string, unknown>>;

/** The source of an environment variable: a field of the pod. */
export function fieldOf(fieldPath: string): unknown {
  return { fieldRef: { fieldPath } };
}

/** The part of a pod's spec that keeps it off some nodes; nothing where there are none. */
export function excluding(nodeNames: readonly string[]): Readonly<Record<string, unknown>> {
  if (nodeNames.length === 0) {
    return {};
  }
  return {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            {
              matchFields: nodeNames.map((name) => ({
                key: "metadata.name",
                operator: "NotIn",
                values: [name],
              })),
            },
          ],
        },
      },
    },
  };
}
