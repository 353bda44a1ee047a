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

const DEPLOY = new URL("../../../deploy/", import.meta.url);

/** Paths of all YAML files below `deploy/`, relative to it. */
export function manifestPaths(): string[] {
  return readdirSync(DEPLOY, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".yaml"))
    .sort();
}

/** The objects in one file below `deploy/`. Throws on YAML with errors or warnings. */
export function manifests(path: string): Manifest[] {
  return parseAllDocuments(readFileSync(new URL(path, DEPLOY), "utf8")).map((document) => {
    const fault = document.errors[0] ?? document.warnings[0];
    if (fault !== undefined) throw fault;
    return document.toJS() as Manifest;
  });
}
