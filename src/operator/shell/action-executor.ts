import { SBD_CONFIG } from "../../api/sbd-config.ts";
import { SBD_NODE } from "../../api/sbd-node.ts";
import { NODE_SLOT_FINALIZER } from "../../api/remediation-names.ts";
import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import { API_VERSION } from "../../api/group.ts";
import { KubeError, type KubeErrorCode } from "../../kube/kube-error.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import {
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  NODES,
  PODS,
  resourceTypeOf,
  type ResourceType,
} from "../../kube/resource-type.ts";
import {
  applyObject,
  createObject,
  deleteObject,
  patchObject,
  type WriteOutcome,
} from "../../kube/write-objects.ts";
import { listObjects } from "../../kube/read-objects.ts";
import { presentOf, type Action, type Manifest, type Target } from "../action.ts";
import type { WriteAction, WriteAnswer } from "../driver/operator-driver.ts";
import type { KubeTaint } from "../kube-object.ts";
import { keepsNoExecute } from "../standing-request.ts";

const SBD_CONFIGS = resourceTypeOf(SBD_CONFIG);
const SBD_NODES = resourceTypeOf(SBD_NODE);
const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);
const FIELD_MANAGER = "sbd-operator";

/** Of a deletion, the object is not told. */
type Outcome = { readonly kind: "done" } | WriteOutcome;

export type ActionExecutor = {
  /** Makes one write. Never throws. */
  execute(action: WriteAction): Promise<WriteAnswer>;
};

/** Writes what the reconcilers want, each on the version of the object it was decided on. */
export function createActionExecutor(client: KubeClient): ActionExecutor {
  async function apply(type: ResourceType, manifest: Manifest): Promise<WriteOutcome> {
    return await applyObject(client, type, manifest, {
      fieldManager: FIELD_MANAGER,
      ownership: "force",
    });
  }

  /** Its pods go with it. */
  async function deleteWorkload(type: ResourceType, target: Target): Promise<Outcome> {
    const { uid } = target;
    return await deleteObject(client, type, target, { uid, propagationPolicy: "Background" });
  }

  async function carryOut(action: WriteAction): Promise<Outcome> {
    switch (action.type) {
      case "set-remediation-finalizers":
        return await setFinalizers(client, SBD_REMEDIATIONS, action.target, action.finalizers);
      case "set-sbd-node-finalizers":
        return await setFinalizers(client, SBD_NODES, action.target, action.finalizers);
      case "patch-remediation-status":
        return await patchStatus(client, SBD_REMEDIATIONS, action.target, action.status);
      case "patch-sbd-node-status":
        return await patchStatus(client, SBD_NODES, action.target, action.status);
      case "patch-config-status":
        return await patchStatus(client, SBD_CONFIGS, action.target, action.status);
      case "release-taints":
        return (await mustStay(client, action.target.name, action.lowering))
          ? { kind: "conflict", message: `a request for ${action.target.name} has come` }
          : await setTaints(client, action.target, action.taints);
      case "set-taints":
        return await setTaints(client, action.target, action.taints);
      case "set-node-conditions":
        return await patchStatus(client, NODES, action.target, { conditions: action.conditions });
      case "delete-pod":
        return await deleteObject(client, PODS, action.target, {
          uid: action.target.uid,
          ...(action.graceSeconds === null ? {} : { gracePeriodSeconds: action.graceSeconds }),
        });
      case "create-sbd-node":
        return await createSbdNode(client, action);
      case "delete-sbd-node":
        return await deleteObject(client, SBD_NODES, action.target, { uid: action.target.uid });
      case "apply-daemon-set":
        return await apply(DAEMON_SETS, action.manifest);
      case "apply-deployment":
        return await apply(DEPLOYMENTS, action.manifest);
      case "set-config-finalizers":
        return await setFinalizers(client, SBD_CONFIGS, action.target, action.finalizers);
      case "create-job":
        return await createObject(client, JOBS, action.manifest);
      case "delete-job":
        return await deleteWorkload(JOBS, action.target);
      case "delete-daemon-set":
        return await deleteWorkload(DAEMON_SETS, action.target);
      case "delete-deployment":
        return await deleteWorkload(DEPLOYMENTS, action.target);
    }
  }

  return {
    async execute(action) {
      try {
        return answerOf(await carryOut(action));
      } catch (error) {
        const { code, message, retryAfterMs } =
          error instanceof KubeError ? error : new KubeError("BAD_ANSWER", String(error));
        return { kind: "failed", code, message, retryAfterMs };
      }
    },
  };
}

function answerOf(outcome: Outcome): WriteAnswer {
  switch (outcome.kind) {
    case "done":
      return "object" in outcome
        ? { kind: "done", object: presentOf(outcome.object) }
        : { kind: "done" };
    case "conflict":
      return failed("CONFLICT", outcome.message);
    case "not-found":
      return failed("NOT_FOUND", outcome.message);
    case "refused":
      return failed(outcome.code, outcome.message);
  }
}

function failed(code: KubeErrorCode, message: string): WriteAnswer {
  return { kind: "failed", code, message, retryAfterMs: null };
}

async function setTaints(
  client: KubeClient,
  target: Target,
  taints: readonly KubeTaint[],
): Promise<WriteOutcome> {
  const patch = { kind: "merge", body: { spec: { taints } } } as const;
  return await patchObject(client, NODES, target, patch, preconditionsOf(target));
}

/** A request made after this list finds the node as it is, and has it tainted before all else. */
async function mustStay(
  client: KubeClient,
  nodeName: string,
  lowering: string | null,
): Promise<boolean> {
  const { items } = await listObjects(client, SBD_REMEDIATIONS);
  return items.some((request) => keepsNoExecute(request, nodeName, lowering));
}

async function setFinalizers(
  client: KubeClient,
  type: ResourceType,
  target: Target,
  finalizers: readonly string[],
): Promise<WriteOutcome> {
  const patch = { kind: "merge", body: { metadata: { finalizers } } } as const;
  return await patchObject(client, type, target, patch, preconditionsOf(target));
}

async function patchStatus(
  client: KubeClient,
  type: ResourceType,
  target: Target,
  status: Readonly<Record<string, unknown>>,
): Promise<WriteOutcome> {
  return await patchObject(
    client,
    type,
    target,
    { kind: "merge", body: { status } },
    { subresource: "status", ...preconditionsOf(target) },
  );
}

async function createSbdNode(
  client: KubeClient,
  { name, spec, config }: Action & { readonly type: "create-sbd-node" },
): Promise<WriteOutcome> {
  return await createObject(client, SBD_NODES, {
    apiVersion: API_VERSION,
    kind: SBD_NODE.kind,
    metadata: {
      name,
      finalizers: [NODE_SLOT_FINALIZER],
      ownerReferences: [
        {
          apiVersion: API_VERSION,
          kind: SBD_CONFIG.kind,
          name: config.name,
          uid: config.uid,
        },
      ],
    },
    spec,
  } as Parameters<typeof createObject>[2]);
}

function preconditionsOf({ uid, resourceVersion }: Target): {
  readonly uid: string;
  readonly resourceVersion: string;
} {
  return { uid, resourceVersion };
}
