import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const BASE = new URL("../../deploy/base/", import.meta.url);

/**
 * YAML of all that `kubectl apply -k deploy/` brings, without the operator's Deployment: nothing here
 * runs pods, and whoever wants an operator starts one.
 */
export function deployManifests(): string {
  const { resources } = parse(read("kustomization.yaml")) as {
    readonly resources: readonly string[];
  };
  return resources
    .filter((file) => !file.endsWith("deployment.yaml"))
    .map(read)
    .join("\n---\n");
}

function read(file: string): string {
  return fs.readFileSync(fileURLToPath(new URL(file, BASE)), "utf8");
}
