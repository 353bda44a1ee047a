/** Writes docs/sbdctl.md and docs/sbdctl.8 from the command line's own definition. */
import { writeFileSync } from "node:fs";

import { manualFiles } from "./manual-files.ts";

for (const { path, text } of manualFiles()) writeFileSync(path, text);
