/**
 * Kubeconfigs, by the official client: contexts, several files merged, certificates, OIDC, and the
 * credential plugins of clouds. Loaded only where there is such a file, since it costs a process 20 MB.
 */
import type { RequestOptions } from "node:https";

import { KubeConfig } from "@kubernetes/client-node";

import { KubeConfigError, type Credentials, type KubeAccess } from "./kube-access.ts";

/**
 * The API server of the current context, or of another one.
 *
 * @param files merged as kubectl does it
 * @param which that they are, "as for kubectl"
 * @param context null: the current one
 * @throws {KubeConfigError}
 */
export function kubeConfigAccess(
  files: readonly string[],
  which: string,
  context: string | null = null,
): KubeAccess {
  const config = readFiles(files, which);
  const where = files.join(", ");
  if (context !== null) {
    if (config.getContextObject(context) === null) {
      throw new KubeConfigError(
        `The kubeconfig ${where} has no context '${context}', so nothing was done. ` +
          `See 'kubectl config get-contexts'.`,
      );
    }
    config.setCurrentContext(context);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeConfigError(
      `The kubeconfig ${where} has no current context that leads to a cluster, so the API server is ` +
        `out of reach. Set current-context.`,
    );
  }
  // The client refuses plain HTTP unless told that there is no certificate to look at.
  config.clusters = config.clusters.map((one) =>
    one.server.startsWith("http:") ? { ...one, skipTLSVerify: true } : one,
  );
  return {
    server: new URL(cluster.server),
    proxyUrl: (cluster.proxyUrl ?? "") === "" ? null : (cluster.proxyUrl ?? null),
    credentials: () => credentialsOf(config),
  };
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

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const { ca, cert, key, rejectUnauthorized, servername, auth } = options;
  const headers = { ...(options.headers as Record<string, string>) };
  if (typeof auth === "string") {
    headers["Authorization"] = `Basic ${Buffer.from(auth).toString("base64")}`;
  }
  return {
    headers,
    tls: {
      ...(ca === undefined ? {} : { ca: pem(ca) }),
      ...(cert === undefined ? {} : { cert: pem(cert) }),
      ...(key === undefined ? {} : { key: pem(key) }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
      ...(servername === undefined ? {} : { servername }),
    },
  };
}

function pem(found: unknown): string {
  return Buffer.isBuffer(found) ? found.toString("utf8") : String(found);
}
