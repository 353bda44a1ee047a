import type { Judgement } from "./config-status.ts";

/** The first Kubernetes with admission policies of v1 and the node's name in an agent's token. */
export const MIN_KUBERNETES = "1.30.0";

/**
 * Condition `KubernetesSupported`.
 *
 * @param version of the API server, for example `v1.35.4` or `v1.29.6-gke.1`
 */
export function judgeKubernetes(version: string): Judgement {
  const minor = minorOf(version);
  const wanted = minorOf(MIN_KUBERNETES);
  return minor === null || wanted === null || minor >= wanted
    ? {
        type: "KubernetesSupported",
        status: minor === null ? "Unknown" : "True",
        reason: minor === null ? "KubernetesVersionUnknown" : "SupportedKubernetes",
        message: `the API server is Kubernetes ${version === "" ? "of no version" : version}`,
      }
    : {
        type: "KubernetesSupported",
        status: "False",
        reason: "KubernetesTooOld",
        message:
          `the API server is Kubernetes ${version}, older than ${MIN_KUBERNETES}: it does not enforce the ` +
          `admission policies that keep an agent to its own node, so one node's credentials could lie about ` +
          `another. Upgrade the cluster; the operator looks again when it starts`,
      };
}

/** Of major version 1; Infinity for a later major. */
function minorOf(version: string): number | null {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) {
    return null;
  }
  return Number(major) > 1 ? Infinity : Number(minor);
}
