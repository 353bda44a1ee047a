import fs from "node:fs";
import { delimiter, join } from "node:path";

import { KubeConfig } from "@kubernetes/client-node";

/** Thrown where there is no way to the API server. */
export class KubeConfigError extends Error {
  override readonly name = "KubeConfigError";
}

const TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * Where the API server is and who we are: the file KUBECONFIG names, else the service account of the
 * pod this runs in. There is no third way, such as a file in the home directory: a program that
 * fences nodes does not guess which cluster is meant.
 *
 * @throws {KubeConfigError}
 */
export function loadKubeConfig(environment: NodeJS.ProcessEnv): KubeConfig {
  const file = environment["KUBECONFIG"] ?? "";
  if (file !== "") {
    return usable(readFiles([file], "that KUBECONFIG names"), file);
  }
  if (!isInPod(environment)) {
    throw new KubeConfigError(
      "KUBECONFIG is not set and this is no pod with a service account, so the API server is out of " +
        "reach. Set KUBECONFIG, or run in a pod with automountServiceAccountToken.",
    );
  }
  return usable(ofPod(), "");
}

/**
 * The same for a person, as kubectl has it: the files in KUBECONFIG, else `~/.kube/config`, else the
 * service account of the pod.
 *
 * @param context one of the kubeconfig's; null: its current one
 * @throws {KubeConfigError}
 */
export function loadUserKubeConfig(
  environment: NodeJS.ProcessEnv,
  context: string | null,
): KubeConfig {
  const named = (environment["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  const home = join(environment["HOME"] ?? "/", ".kube", "config");
  const files = named.length > 0 ? named : [home].filter((file) => fs.existsSync(file));
  if (files.length === 0 && !isInPod(environment)) {
    throw new KubeConfigError(
      `KUBECONFIG is not set, there is no ${home}, and this is no pod with a service account, so the ` +
        `API server is out of reach and nothing was done. Set KUBECONFIG, as for kubectl.`,
    );
  }
  const config = files.length === 0 ? ofPod() : readFiles(files, "as for kubectl");
  if (context !== null) {
    if (config.getContextObject(context) === null) {
      throw new KubeConfigError(
        `The kubeconfig ${files.join(", ")} has no context '${context}', so nothing was done. ` +
          `See 'kubectl config get-contexts'.`,
      );
    }
    config.setCurrentContext(context);
  }
  return usable(config, files.join(", "));
}

function readFiles(files: readonly string[], which: string): KubeConfig {
  const config = new KubeConfig();
  for (const [index, file] of files.entries()) {
    try {
      const next = new KubeConfig();
      next.loadFromFile(file);
      if (index === 0) {
        config.loadFromOptions(next);
      } else {
        config.mergeConfig(next, (config.currentContext ?? "") !== "");
      }
    } catch (cause) {
      throw new KubeConfigError(
        `Cannot read the kubeconfig ${file} ${which} (${String(cause)}), so the API server is out of ` +
          `reach. Mend the file or unset KUBECONFIG.`,
        { cause },
      );
    }
  }
  return config;
}

function isInPod(environment: NodeJS.ProcessEnv): boolean {
  return (environment["KUBERNETES_SERVICE_HOST"] ?? "") !== "" && fs.existsSync(TOKEN_FILE);
}

function ofPod(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromCluster();
  return config;
}

/** @param where the files it came from, empty for a pod's */
function usable(config: KubeConfig, where: string): KubeConfig {
  if (config.getCurrentCluster() === null) {
    throw new KubeConfigError(
      `The kubeconfig${where === "" ? "" : ` ${where}`} has no current context that leads to a cluster, ` +
        `so the API server is out of reach. Set current-context.`,
    );
  }
  // The client refuses plain HTTP unless told that there is no certificate to look at.
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith("http:") ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  return config;
}
