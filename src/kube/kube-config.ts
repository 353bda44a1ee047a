import fs from "node:fs";
import { delimiter, join } from "node:path";

import { KubeConfigError, type KubeAccess } from "./kube-access.ts";
import { hasServiceAccount, serviceAccountAccess } from "./service-account.ts";

/**
 * Where the API server is and who we are: the file KUBECONFIG names, else the service account of the
 * pod this runs in. There is no third way, such as a file in the home directory: a program that
 * fences nodes does not guess which cluster is meant.
 *
 * @throws {KubeConfigError}
 */
export async function loadKubeConfig(environment: NodeJS.ProcessEnv): Promise<KubeAccess> {
  const file = environment["KUBECONFIG"] ?? "";
  if (file !== "") {
    return await accessOfFiles([file], "that KUBECONFIG names", null);
  }
  if (!hasServiceAccount(environment)) {
    throw new KubeConfigError(
      "KUBECONFIG is not set and this is no pod with a service account, so the API server is out of " +
        "reach. Set KUBECONFIG, or run in a pod with automountServiceAccountToken.",
    );
  }
  return serviceAccountAccess(environment);
}

/**
 * The same for a person, as kubectl has it: the files in KUBECONFIG, else `~/.kube/config`, else the
 * service account of the pod.
 *
 * @param context one of the kubeconfig's; null: its current one
 * @throws {KubeConfigError}
 */
export async function loadUserKubeConfig(
  environment: NodeJS.ProcessEnv,
  context: string | null,
): Promise<KubeAccess> {
  const named = (environment["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  const home = join(environment["HOME"] ?? "/", ".kube", "config");
  const files = named.length > 0 ? named : [home].filter((file) => fs.existsSync(file));
  if (files.length > 0) {
    return await accessOfFiles(files, "as for kubectl", context);
  }
  if (!hasServiceAccount(environment)) {
    throw new KubeConfigError(
      `KUBECONFIG is not set, there is no ${home}, and this is no pod with a service account, so the ` +
        `API server is out of reach and nothing was done. Set KUBECONFIG, as for kubectl.`,
    );
  }
  if (context !== null) {
    throw new KubeConfigError(
      `There is no kubeconfig, so no context '${context}' either, and nothing was done. Set KUBECONFIG, ` +
        `as for kubectl, or leave the context out to ask as the service account of this pod.`,
    );
  }
  return serviceAccountAccess(environment);
}

async function accessOfFiles(
  files: readonly string[],
  which: string,
  context: string | null,
): Promise<KubeAccess> {
  const { kubeConfigAccess } = await import("./kube-config-file.ts");
  return kubeConfigAccess(files, which, context);
}
