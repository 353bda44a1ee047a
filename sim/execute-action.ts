import type { WriteAction } from "../src/operator/driver/operator-driver.ts";
import { keepsNoExecute } from "../src/operator/standing-request.ts";
import type { ApiStore } from "./api-store.ts";
import { mergePatch, type StoredObject, type WriteOutcome } from "./object-store.ts";

/** What an API server does with one action of a reconciler, on the version it was decided on. */
export function executeAction(api: ApiStore, action: WriteAction): WriteOutcome {
  switch (action.type) {
    case "set-remediation-finalizers":
      return api.remediations.write(action.target, withFinalizers(action.finalizers));
    case "set-sbd-node-finalizers":
      return api.sbdNodes.write(action.target, withFinalizers(action.finalizers));
    case "patch-remediation-status":
      return api.remediations.write(action.target, withStatus(action.status));
    case "patch-sbd-node-status":
      return api.sbdNodes.write(action.target, withStatus(action.status));
    case "patch-config-status":
      return api.configs.write(action.target, withStatus(action.status));
    case "release-taints":
      return api.remediations
        .list()
        .some((request) => keepsNoExecute(request, action.target.name, action.lowering))
        ? "conflict"
        : executeAction(api, { ...action, type: "set-taints" });
    case "set-taints":
      return api.nodes.write(action.target, (node) => ({
        ...node,
        spec: { ...node.spec, taints: action.taints },
      }));
    case "set-node-conditions":
      return api.nodes.write(action.target, (node) => ({
        ...node,
        status: { ...node.status, conditions: action.conditions },
      }));
    case "delete-pod": {
      const { name, uid } = action.target;
      if (api.pods.get(name)?.metadata.uid !== uid) {
        return "gone";
      }
      if (action.graceSeconds === 0) {
        api.pods.remove(name);
      } else {
        api.pods.delete(name, "confirmed-by-its-kubelet");
      }
      return "done";
    }
    case "create-sbd-node":
      return api.createSBDNode(action.spec, { name: action.config.name, uid: action.config.uid })
        ? "done"
        : "exists";
    case "delete-sbd-node": {
      const { name, uid } = action.target;
      if (api.sbdNodes.get(name)?.metadata.uid !== uid) {
        return "gone";
      }
      api.sbdNodes.delete(name);
      return "done";
    }
    case "apply-daemon-set":
      api.daemonSets.create({ metadata: { ...action.manifest.metadata } });
      return "done";
    case "set-config-finalizers":
    case "delete-daemon-set":
    case "create-job":
    case "delete-job":
    case "apply-deployment":
    case "delete-deployment":
      throw new Error(
        `No simulated SBDConfig is removed, has no device, or its fencer placed by the operator: ` +
          action.type,
      );
  }
}

function withFinalizers(
  finalizers: readonly string[],
): <Held extends StoredObject>(object: Held) => Held {
  return (object) => ({
    ...object,
    metadata: { ...object.metadata, finalizers: [...finalizers] },
  });
}

function withStatus(
  patch: object,
): <Held extends StoredObject & { readonly status: object }>(object: Held) => Held {
  return (object) => ({ ...object, status: mergePatch(object.status, patch) });
}
