/**
 * Renders `deploy/` into what a release holds: `dist/install.yaml` and `dist/install-openshift.yaml`, the
 * generated part of the Helm chart, and the OLM bundle. None of it is kept beside its sources.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import packageFile from "../package.json" with { type: "json" };
import { writeChart } from "./chart.ts";
import { kustomizeText, objectsOf } from "./kustomize.ts";
import { writeOlmBundle } from "./olm-bundle.ts";

const REPOSITORY = resolve(import.meta.dirname, "..");
const FILES: readonly (readonly [string, string])[] = [
  ["install.yaml", "deploy"],
  ["install-openshift.yaml", "deploy/overlays/openshift"],
];

mkdirSync(join(REPOSITORY, "dist"), { recursive: true });
for (const [name, folder] of FILES) {
  const head = `# sbd-operator ${packageFile.version}, rendered from ${folder}\n`;
  writeFileSync(join(REPOSITORY, "dist", name), head + kustomizeText(folder));
}
writeChart(join(REPOSITORY, "charts/sbd-operator"));
writeOlmBundle(join(REPOSITORY, "bundle"), objectsOf(kustomizeText("deploy/overlays/openshift")));
console.log(FILES.map(([name]) => `dist/${name}`).join("\n"));
console.log("charts/sbd-operator\nbundle");
