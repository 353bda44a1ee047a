/** Writes `deploy/base/crds/` from the schemas in `src/api/`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { crdFiles } from "./crd-files.ts";

const folder = new URL("../../../deploy/base/crds/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const { name, text } of crdFiles()) writeFileSync(new URL(name, folder), text);
