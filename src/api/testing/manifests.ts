import { readdirSync, readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

/** A Kubernetes object out of `deploy/`. */
export type Manifest = {
  readonly kind: string;
  readonly metadata?: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
};

const BASE = new URL("../../../deploy/base/", import.meta.url);

/** Paths of all YAML files below `deploy/base/`, relative to it. */
export function manifestPaths(): string[] {
  return readdirSync(BASE, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".yaml"))
    .sort();
}

/** The objects in one file, by its path from `deploy/base/`. Throws on YAML with errors or warnings. */
export function manifests(path: string): Manifest[] {
  return parseAllDocuments(readFileSync(new URL(path, BASE), "utf8")).map((document) => {
    const fault = document.errors[0] ?? document.warnings[0];
    if (fault !== undefined) throw fault;
    return document.toJS() as Manifest;
  });
}
