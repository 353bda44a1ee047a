/** What a pod's spec asks of a machine, for the fields that this project's pods use. */
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { fieldAt, listAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import type { ContainerDevice, ContainerMount } from "./container-script.ts";

/** Answers for what a kubelet asks the API server. */
export type PodSources = {
  /** Path of the volume behind a claim; null where it is bound to none that this machine has. */
  readonly volumeOf: (claimName: string) => Promise<string | null>;
  readonly tokenFor: (serviceAccount: string) => Promise<string>;
  /** PEM. */
  readonly clusterCA: string;
};

export type PodPlan = {
  readonly mounts: readonly ContainerMount[];
  readonly devices: readonly ContainerDevice[];
  readonly environment: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  readonly user: number;
  readonly group: number;
  /** It sees the machine's watchdog. */
  readonly privileged: boolean;
};

/** Thrown where the pod has to wait, with what a kubelet's event would say. */
export class PodWaits extends Error {
  override readonly name = "PodWaits";
}

/**
 * @param hostRoot what the machine's processes take for `/`
 * @param folder the pod's own
 * @throws {PodWaits}
 */
export async function planPod(
  pod: KubeObject,
  hostRoot: string,
  folder: string,
  sources: PodSources,
): Promise<PodPlan> {
  const [container] = listAt(pod, "spec", "containers");
  const places = new Map<string, string>();
  for (const volume of listAt(pod, "spec", "volumes")) {
    places.set(textAt(volume, "name"), await place(volume, pod, hostRoot, folder, sources));
  }
  const source = (entry: unknown): string => {
    const found = places.get(textAt(entry, "name"));
    if (found === undefined) throw new PodWaits(`there is no volume ${textAt(entry, "name")}`);
    return found;
  };
  const number = (name: string): number =>
    Number(
      fieldAt(container, "securityContext", name) ??
        fieldAt(pod, "spec", "securityContext", name) ??
        0,
    );
  return {
    mounts: listAt(container, "volumeMounts").map((entry) => ({
      source: source(entry),
      target: textAt(entry, "mountPath"),
      readOnly: fieldAt(entry, "readOnly") === true,
    })),
    devices: listAt(container, "volumeDevices").map((entry) => ({
      source: source(entry),
      path: textAt(entry, "devicePath"),
    })),
    environment: Object.fromEntries(
      listAt(container, "env").map((entry) => [textAt(entry, "name"), valueOf(entry, pod)]),
    ),
    argv: listAt(container, "args").map(String),
    user: number("runAsUser"),
    group: number("runAsGroup"),
    privileged: fieldAt(container, "securityContext", "privileged") === true,
  };
}

async function place(
  volume: unknown,
  pod: KubeObject,
  hostRoot: string,
  folder: string,
  sources: PodSources,
): Promise<string> {
  const claim = textAt(volume, "persistentVolumeClaim", "claimName");
  if (claim !== "") {
    const path = await sources.volumeOf(claim);
    if (path === null) throw new PodWaits(`claim ${claim} has no volume on this machine`);
    return path;
  }
  const hostPath = textAt(volume, "hostPath", "path");
  if (hostPath !== "") {
    const path = join(hostRoot, hostPath);
    if (textAt(volume, "hostPath", "type") === "DirectoryOrCreate") {
      mkdirSync(path, { recursive: true });
    }
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw new PodWaits(`hostPath ${hostPath} is no directory`);
    }
    return path;
  }
  const parts = listAt(volume, "projected", "sources");
  if (!parts.some((part) => fieldAt(part, "serviceAccountToken") !== undefined)) {
    throw new PodWaits(`a volume of a kind that this stand-in does not know`);
  }
  const path = join(folder, textAt(volume, "name"));
  mkdirSync(path, { recursive: true });
  writeFileSync(
    join(path, "token"),
    await sources.tokenFor(textAt(pod, "spec", "serviceAccountName")),
  );
  writeFileSync(join(path, "ca.crt"), sources.clusterCA);
  writeFileSync(join(path, "namespace"), pod.metadata.namespace ?? "");
  return path;
}

function valueOf(entry: unknown, pod: KubeObject): string {
  const field = textAt(entry, "valueFrom", "fieldRef", "fieldPath");
  return field === "" ? textAt(entry, "value") : textAt(pod, ...field.split("."));
}
