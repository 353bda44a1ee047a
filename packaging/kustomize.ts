import { execFileSync, spawnSync } from "node:child_process";
import { resolve } from "node:path";

import { parseAllDocuments } from "yaml";

/** A Kubernetes object of a rendered folder. */
export type RenderedObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
};

/** Why a test that renders cannot run here; false where it can. */
export const noKubectl: string | false =
  spawnSync("kubectl", ["version", "--client"]).status === 0
    ? false
    : "there is no kubectl here, whose kustomize renders deploy/";

const REPOSITORY = resolve(import.meta.dirname, "..");

/** What `kubectl apply -k` of that folder of the repository would apply, as one text. */
export function kustomizeText(folder: string): string {
  return execFileSync("kubectl", ["kustomize", folder], {
    cwd: REPOSITORY,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
}

export function kustomize(folder: string): RenderedObject[] {
  return objectsOf(kustomizeText(folder));
}

/** The objects of a text of YAML documents; empty documents are none. */
export function objectsOf(text: string): RenderedObject[] {
  return parseAllDocuments(text)
    .map((document) => {
      const fault = document.errors[0];
      if (fault !== undefined) throw fault;
      return document.toJS() as RenderedObject | null;
    })
    .filter((object) => object !== null);
}
