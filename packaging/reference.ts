/** Writes the reference pages that are generated from the code that defines what they tell. */
import { writeFileSync } from "node:fs";

import { referenceFiles } from "./reference-files.ts";

for (const { path, text } of referenceFiles()) writeFileSync(path, text);
