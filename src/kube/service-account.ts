import fs from "node:fs";
import { join } from "node:path";

import type { Credentials, KubeAccess } from "./kube-access.ts";

const FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";
/** The kubelet rotates the token long before it runs out. */
const READ_AGAIN_AFTER_MS = 10_000;

/** Whether this is a pod that was given a service account. */
export function hasServiceAccount(environment: NodeJS.ProcessEnv, folder = FOLDER): boolean {
  return (
    (environment["KUBERNETES_SERVICE_HOST"] ?? "") !== "" && fs.existsSync(join(folder, "token"))
  );
}

/** The API server as a pod is told of it, as the service account of the pod. */
export function serviceAccountAccess(environment: NodeJS.ProcessEnv, folder = FOLDER): KubeAccess {
  const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = environment["KUBERNETES_SERVICE_PORT"] ?? "443";
  const read = (name: string): string => fs.readFileSync(join(folder, name), "utf8").trim();
  let known: { readonly credentials: Credentials; readonly atMs: number } | null = null;
  return {
    server: new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}`),
    proxyUrl: null,
    async credentials() {
      const nowMs = performance.now();
      if (known === null || nowMs - known.atMs >= READ_AGAIN_AFTER_MS) {
        const authorization = `Bearer ${read("token")}`;
        const credentials = { tls: { ca: read("ca.crt") }, headers: { authorization } };
        known = { credentials, atMs: nowMs };
      }
      return known.credentials;
    },
  };
}
