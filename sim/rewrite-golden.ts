/** Rewrites the traces of `sim/golden/*.txt`; what changed is for a person to read. */
import fs from "node:fs";

import { readGolden, runGolden, writeGolden } from "./golden-file.ts";

const GOLDEN = new URL("golden/", import.meta.url);

for (const name of fs.readdirSync(GOLDEN).filter((file) => file.endsWith(".txt"))) {
  const path = new URL(name, GOLDEN);
  const before = fs.readFileSync(path, "utf8");
  const golden = readGolden(before);
  const { trace, outcome } = runGolden(golden);
  const after = writeGolden(golden, trace);
  fs.writeFileSync(path, after);
  const unexpected = outcome === golden.expect ? "" : `, expected ${golden.expect}`;
  console.log(`${after === before ? "same   " : "changed"} ${name}: ${outcome}${unexpected}`);
}
