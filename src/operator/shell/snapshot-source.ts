import { isFencerName } from "../../api/fencer-name.ts";
import { SBD_CONFIG, parseSBDConfig } from "../../api/sbd-config.ts";
import { SBD_NODE, parseSBDNode } from "../../api/sbd-node.ts";
import { SBD_REMEDIATION, parseSBDRemediation } from "../../api/sbd-remediation.ts";
import type { InvalidObjectError } from "../../api/invalid-object-error.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import { parseEachOnce } from "../../kube/parse-once.ts";
import {
  resourceCache,
  type ResourceCache,
  type ResourceCacheOptions,
} from "../../kube/resource-cache.ts";
import {
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  LEASES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  resourceTypeOf,
  VOLUME_ATTACHMENTS,
  type ResourceType,
} from "../../kube/resource-type.ts";
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
import { withoutContainers, withoutImages } from "./kept-fields.ts";

export type SnapshotSource = {
  /** Null until every cache has its first list. */
  current(): Snapshot | null;
  close(): void;
};

export type SnapshotSourceOptions = {
  readonly namespace: string;
  readonly onChange: () => void;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** Of 5 to 20 kB each: an answer that is parsed as a whole must not outlive the young generation. */
const LARGE_OBJECTS_A_PAGE = 100;

/** Caches of everything the reconcilers look at. Objects that cannot be read are left out, and said. */
export function snapshotSource(client: KubeClient, options: SnapshotSourceOptions): SnapshotSource {
  const { log, onChange } = options;
  const cacheOf = (
    type: ResourceType,
    more: Pick<ResourceCacheOptions, "namespace" | "keep" | "pageObjects"> = {},
  ): ResourceCache =>
    resourceCache(client, type, {
      onChange,
      onTrouble: (trouble) =>
        trouble === null
          ? log("info", `${type.plural}: the API server answers again`)
          : log("warn", `${type.plural}: ${trouble}`),
      ...more,
    });
  const { namespace } = options;
  const configs = cacheOf(resourceTypeOf(SBD_CONFIG));
  const sbdNodes = cacheOf(resourceTypeOf(SBD_NODE));
  const remediations = cacheOf(resourceTypeOf(SBD_REMEDIATION));
  const nodes = cacheOf(NODES, { keep: withoutImages, pageObjects: LARGE_OBJECTS_A_PAGE });
  const pods = cacheOf(PODS, { keep: withoutContainers, pageObjects: LARGE_OBJECTS_A_PAGE });
  const volumeAttachments = cacheOf(VOLUME_ATTACHMENTS);
  const persistentVolumes = cacheOf(PERSISTENT_VOLUMES);
  const daemonSets = cacheOf(DAEMON_SETS, { namespace });
  const claims = cacheOf(PERSISTENT_VOLUME_CLAIMS, { namespace });
  const jobs = cacheOf(JOBS, { namespace });
  const deployments = cacheOf(DEPLOYMENTS, { namespace });
  const leases = cacheOf(LEASES, { namespace });
  const all = [
    configs,
    sbdNodes,
    remediations,
    nodes,
    pods,
    volumeAttachments,
    persistentVolumes,
    daemonSets,
    claims,
    jobs,
    deployments,
    leases,
  ];
  const readConfigs = reader(parseSBDConfig, log);
  const readSbdNodes = reader(parseSBDNode, log);
  const readRemediations = reader(parseSBDRemediation, log);

  return {
    current() {
      if (all.some((cache) => !cache.synced)) {
        return null;
      }
      return {
        configs: readConfigs(configs.snapshot()),
        sbdNodes: readSbdNodes(sbdNodes.snapshot()),
        remediations: readRemediations(remediations.snapshot()),
        nodes: nodes.snapshot() as unknown as readonly KubeNode[],
        pods: pods.snapshot() as unknown as readonly KubePod[],
        volumeAttachments:
          volumeAttachments.snapshot() as unknown as readonly KubeVolumeAttachment[],
        persistentVolumes:
          persistentVolumes.snapshot() as unknown as readonly KubePersistentVolume[],
        daemonSets: daemonSets.snapshot() as unknown as readonly KubeDaemonSet[],
        claims: claims.snapshot() as unknown as readonly KubeClaim[],
        jobs: jobs.snapshot() as unknown as readonly KubeJob[],
        fencerDeployments: ofFencers(deployments) as unknown as readonly KubeDeployment[],
        fencerLeases: ofFencers(leases) as unknown as readonly KubeLease[],
      };
    },
    close() {
      for (const cache of all) {
        cache.close();
      }
    },
  };
}

function ofFencers(cache: ResourceCache): readonly KubeObject[] {
  return cache.snapshot().filter(({ metadata }) => isFencerName(metadata.name ?? ""));
}

function reader<T>(
  parse: (
    object: unknown,
  ) =>
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly error: InvalidObjectError },
  log: SnapshotSourceOptions["log"],
): (objects: readonly KubeObject[]) => readonly T[] {
  return parseEachOnce((object) => {
    const parsed = parse(object);
    if (parsed.ok) {
      return [parsed.value];
    }
    log("warn", parsed.error.message);
    return [];
  });
}
