import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Everything of Kubernetes that the tests start. */
export const KUBE_PROGRAMS = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kubectl",
] as const;

export type KubeProgram = (typeof KUBE_PROGRAMS)[number];

/** Where the programs of one version are, or are to be. */
export type KubeBinaries = {
  /** For example `v1.35.4`. */
  readonly version: string;
  readonly folder: string;
  readonly path: (program: KubeProgram) => string;
  /** Those that are not there. */
  readonly missing: (wanted?: readonly KubeProgram[]) => KubeProgram[];
};

/** The version in `go.mod`: what is built where nobody says otherwise. */
export function pinnedVersion(): string {
  const module = readFileSync(join(import.meta.dirname, "go.mod"), "utf8");
  const version = /^require k8s\.io\/kubernetes (v\S+)$/m.exec(module)?.[1];
  if (version === undefined) throw new Error("test/kube/go.mod requires no k8s.io/kubernetes");
  return version;
}

/**
 * The programs of a version: in `KUBEBUILDER_ASSETS` where that is set, whatever version is there, else
 * in `$XDG_CACHE_HOME/sbd-operator/kube/<version>`. Looks, and builds nothing.
 *
 * @param version `KUBE` of the environment, else the pinned one
 */
export function kubeBinaries(version = process.env["KUBE"] || pinnedVersion()): KubeBinaries {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = process.env["KUBEBUILDER_ASSETS"] || join(cache, "sbd-operator/kube", version);
  const path = (program: KubeProgram): string => join(folder, program);
  return {
    version,
    folder,
    path,
    missing: (wanted = KUBE_PROGRAMS) => wanted.filter((program) => !existsSync(path(program))),
  };
}
