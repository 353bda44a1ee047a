import fs from "node:fs";

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
  const config = new KubeConfig();
  const file = environment["KUBECONFIG"] ?? "";
  if (file !== "") {
    try {
      config.loadFromFile(file);
    } catch (cause) {
      throw new KubeConfigError(
        `Cannot read the kubeconfig ${file} that KUBECONFIG names (${String(cause)}), so the API ` +
          `server is out of reach. Mend the file or unset KUBECONFIG.`,
        { cause },
      );
    }
  } else if ((environment["KUBERNETES_SERVICE_HOST"] ?? "") !== "" && fs.existsSync(TOKEN_FILE)) {
    config.loadFromCluster();
  } else {
    throw new KubeConfigError(
      "KUBECONFIG is not set and this is no pod with a service account, so the API server is out of " +
        "reach. Set KUBECONFIG, or run in a pod with automountServiceAccountToken.",
    );
  }
  if (config.getCurrentCluster() === null) {
    throw new KubeConfigError(
      `The kubeconfig${file === "" ? "" : ` ${file}`} has no current context that leads to a cluster, ` +
        `so the API server is out of reach. Set current-context.`,
    );
  }
  // The client refuses plain HTTP unless told that there is no certificate to look at.
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith("http:") ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  return config;
}
