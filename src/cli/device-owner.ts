import { readPass, type DevicePass } from "../fencing/shell/device-pass.ts";
import { KubeConfigError } from "../kube/kube-access.ts";
import { KubeError } from "../kube/kube-error.ts";
import type { DeviceHeader } from "../protocol/device-header.ts";
import { NIL_UUID } from "../timing/device-agreement.ts";
import { CliError } from "./cli-error.ts";
import { answerOf, GIVE_UP_MS, type DeviceClient } from "./device-client.ts";
import { printable } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

/** UID of a cluster's namespace kube-system and who told it, or why nobody did. */
export type OwnCluster =
  | { readonly kind: "known"; readonly uid: string; readonly toldBy: string }
  | { readonly kind: "unknown"; readonly why: string };

const ANSWERS_WITHIN_MS = 3_000;
/** Any slot will do to read the header by. */
const ANY_NODE_ID = 1;

/**
 * The cluster that the device is to belong to: what the caller was told, else the one that kubectl would
 * reach. Where neither is to be had nothing is compared: a device must be of use while its cluster is down.
 *
 * @param told value of `--cluster-uid`, which an agent's pod has in its environment; null: none
 */
export async function findOwnCluster(told: string | null): Promise<OwnCluster> {
  if (told !== null) {
    return { kind: "known", uid: told, toldBy: "--cluster-uid" };
  }
  const [{ loadUserKubeConfig }, { createKubeClient }, { getObject }, { NAMESPACES }] =
    await Promise.all([
      import("../kube/kube-config.ts"),
      import("../kube/kube-client.ts"),
      import("../kube/read-objects.ts"),
      import("../kube/resource-type.ts"),
    ]);
  try {
    const access = await loadUserKubeConfig(process.env, null);
    const client = createKubeClient(access, "sbdctl");
    try {
      const limits = { timeoutMs: ANSWERS_WITHIN_MS };
      const found = await getObject(client, NAMESPACES, { name: "kube-system" }, limits);
      const uid = found?.metadata.uid;
      return uid === undefined
        ? { kind: "unknown", why: `${access.server.origin} has no namespace kube-system` }
        : { kind: "known", uid, toldBy: access.server.origin };
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof KubeError || error instanceof KubeConfigError) {
      return { kind: "unknown", why: error.message };
    }
    throw error;
  }
}

/** Why the device is another cluster's; null where it is this one's, or nothing tells. */
export function whyForeign(
  path: string,
  header: Pick<DeviceHeader, "clusterUID" | "clusterName"> | null,
  cluster: OwnCluster,
): string | null {
  if (cluster.kind === "unknown" || header === null || header.clusterUID === cluster.uid) {
    return null;
  }
  const here = `that of ${cluster.toldBy} (${cluster.uid})`;
  const name = header.clusterName === "" ? "" : `'${printable(header.clusterName)}', `;
  return header.clusterUID === NIL_UUID
    ? `the header of ${path} names no cluster, so it is not known to be ${here}`
    : `${path} belongs to the cluster ${name}${header.clusterUID}, not to ${here}`;
}

/**
 * The first look of whoever is going to write.
 *
 * @throws {CliError} `REFUSED`: nodes of two clusters may have one name, and this device is another
 *   cluster's; `DEVICE`, `DEVICE_SILENT`
 */
export async function readOwnDevice(
  client: DeviceClient,
  { path, clusterUID }: { readonly path: string; readonly clusterUID: string | null },
  terminal: Terminal,
): Promise<DevicePass> {
  const [pass, cluster] = await Promise.all([
    answerOf(terminal, path, readPass(client, ANY_NODE_ID, null), GIVE_UP_MS),
    findOwnCluster(clusterUID),
  ]);
  refuseForeign(path, pass.header, cluster, terminal);
  return pass;
}

function refuseForeign(
  path: string,
  header: DeviceHeader | null,
  cluster: OwnCluster,
  terminal: Terminal,
): void {
  const why = whyForeign(path, header, cluster);
  if (why !== null && header !== null) {
    throw new CliError(
      "REFUSED",
      `Nothing was written: ${why}, and a node of the same name there would be the one that is meant. Give ` +
        `the device of this cluster, or set KUBECONFIG for the cluster of that device. If it is meant all ` +
        `the same, say so with --cluster-uid ${header.clusterUID}`,
      { path, deviceClusterUid: header.clusterUID },
    );
  }
  if (cluster.kind === "unknown") {
    terminal.note(`No cluster says whether ${path} is its own: ${cluster.why}`);
  }
}
