import { OUT_OF_SERVICE_TAINT } from "../src/api/remediation-names.ts";
import { hasTaint, isReady, type KubeNode } from "../src/operator/kube-object.ts";
import { mergePatch } from "./object-store.ts";
import { wallAt, type World } from "./world.ts";

const EVERY_MS = 5_000;
const UNKNOWN_AFTER_MS = 40_000;
/** Kubernetes detaches by force from a node that is not Ready after six minutes. */
const FORCED_DETACH_AFTER_MS = 360_000;

/**
 * Kubernetes' own controllers, as far as a dead node's work meets them: node lifecycle, eviction by
 * taint, pod garbage collection, attach and detach, one that makes a pod anew when it is gone, and
 * the scheduler.
 */
export class KubeControllers {
  readonly #world: World;
  /** Since when each attachment has had no pod. */
  readonly #unusedSinceMs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  begin(): void {
    this.#look();
    this.#world.timeline.after(EVERY_MS, () => this.begin());
  }

  #look(): void {
    this.#markUnknown();
    this.#evict();
    this.#collectPods();
    this.#detach();
    this.#makePods();
    this.#schedule();
    this.#attach();
  }

  #markUnknown(): void {
    const { api, timeline } = this.#world;
    for (const { metadata } of api.nodes.list()) {
      const silentMs = timeline.nowMs - (api.heardMs.get(metadata.name) ?? -Infinity);
      if (silentMs >= UNKNOWN_AFTER_MS) {
        setReady(this.#world, metadata.name, "Unknown");
      }
    }
  }

  /** NoExecute asks for a graceful end, which only the kubelet can confirm. */
  #evict(): void {
    const { api } = this.#world;
    for (const { metadata, spec } of api.pods.list()) {
      const node = api.nodes.get(spec?.nodeName ?? "");
      if (node?.spec?.taints?.some(({ effect }) => effect === "NoExecute") === true) {
        api.pods.delete(metadata.name, "confirmed-by-its-kubelet");
      }
    }
  }

  /** Nobody will confirm the end of pods whose Node is gone or out of service. */
  #collectPods(): void {
    const { api } = this.#world;
    for (const { metadata, spec } of api.pods.list()) {
      const node = api.nodes.get(spec?.nodeName ?? "");
      const isOrphan = spec?.nodeName !== undefined && node === null;
      const isLost =
        metadata.deletionTimestamp !== undefined && node !== null && isOutOfService(node);
      if (isOrphan || isLost) {
        api.pods.remove(metadata.name);
      }
    }
  }

  #detach(): void {
    const { api, timeline } = this.#world;
    for (const { metadata, spec } of api.volumeAttachments.list()) {
      const { name } = metadata;
      const nodeName = spec?.nodeName ?? "";
      const node = api.nodes.get(nodeName);
      const pod = this.#podOf(name);
      if (pod?.spec?.nodeName === nodeName) {
        this.#unusedSinceMs.delete(name);
        continue;
      }
      const sinceMs = this.#unusedSinceMs.get(name) ?? timeline.nowMs;
      this.#unusedSinceMs.set(name, sinceMs);
      const isMounted = api.volumesInUse.get(nodeName)?.has(name) === true;
      const isForced =
        node !== null &&
        !isReady(node) &&
        (isOutOfService(node) || timeline.nowMs - sinceMs >= FORCED_DETACH_AFTER_MS);
      if (node === null || !isMounted || isForced) {
        this.#unusedSinceMs.delete(name);
        api.volumeAttachments.remove(name);
      }
    }
  }

  #makePods(): void {
    const { api, workloads } = this.#world;
    for (const { podName } of workloads.volumes) {
      if (api.pods.get(podName) === null) {
        api.pods.create({ metadata: { name: podName, namespace: "apps" }, spec: {} });
      }
    }
  }

  #schedule(): void {
    const { api } = this.#world;
    const fit = api.nodes
      .list()
      .filter((node) => isReady(node) && (node.spec?.taints?.length ?? 0) === 0);
    for (const [index, { metadata, spec }] of api.pods.list().entries()) {
      const node = fit[index % Math.max(1, fit.length)];
      if (spec?.nodeName === undefined && node !== undefined) {
        api.pods.update(metadata.name, (pod) => ({
          ...pod,
          spec: { ...pod.spec, nodeName: node.metadata.name },
        }));
      }
    }
  }

  /** One attachment a volume: the next one waits until this one is gone. */
  #attach(): void {
    const { api, workloads } = this.#world;
    for (const { name } of workloads.volumes) {
      const nodeName = this.#podOf(name)?.spec?.nodeName;
      if (nodeName !== undefined && api.volumeAttachments.get(name) === null) {
        const source = { persistentVolumeName: name };
        api.volumeAttachments.create({ metadata: { name }, spec: { nodeName, source } });
      }
    }
  }

  #podOf(volumeName: string): ReturnType<World["api"]["pods"]["get"]> {
    const volume = this.#world.workloads.volumes.find(({ name }) => name === volumeName);
    return volume === undefined ? null : this.#world.api.pods.get(volume.podName);
  }
}

function isOutOfService(node: KubeNode): boolean {
  return hasTaint(node, OUT_OF_SERVICE_TAINT.key) && !isReady(node);
}

/** Changes the Node only where it says something else. */
export function setReady(
  { api, timeline }: World,
  nodeName: string,
  status: "True" | "Unknown",
  nodeInfo?: { readonly bootID: string; readonly systemUUID: string },
): void {
  api.nodes.update(nodeName, (node) => {
    const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
    const sameBoot = nodeInfo === undefined || node.status?.nodeInfo?.bootID === nodeInfo.bootID;
    if (ready?.status === status && sameBoot) {
      return node;
    }
    const lastTransitionTime =
      ready?.status === status && ready.lastTransitionTime !== undefined
        ? ready.lastTransitionTime
        : wallAt(timeline.nowMs);
    const others = (node.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
    const patch = {
      ...(nodeInfo === undefined ? {} : { nodeInfo }),
      conditions: [...others, { type: "Ready", status, lastTransitionTime }],
    };
    return { ...node, status: mergePatch(node.status ?? {}, patch) };
  });
}

/** The Node object is gone: its pods are collected as garbage, whoever runs them. */
export function deleteNode({ api, workloads }: World, nodeName: string): void {
  workloads.nodeDeleted(nodeName);
  api.nodes.remove(nodeName);
  for (const { metadata, spec } of api.pods.list()) {
    if (spec?.nodeName === nodeName) {
      api.pods.remove(metadata.name);
    }
  }
  for (const { metadata, spec } of api.volumeAttachments.list()) {
    if (spec?.nodeName === nodeName) {
      api.volumeAttachments.remove(metadata.name);
    }
  }
}
