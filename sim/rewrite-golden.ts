/**
 * Rewrites the traces of `sim/golden/*.txt`; what changed is for a person to read. A trace that misses what
 * its file expects of it is not written.
 */
import fs from "node:fs";

import { readGolden, runGolden, writeGolden } from "./golden-file.ts";

const GOLDEN = new URL("golden/", import.meta.url);

for (const name of fs.readdirSync(GOLDEN).filter((file) => file.endsWith(".txt"))) {
  const path = new URL(name, GOLDEN);
  const before = fs.readFileSync(path, "utf8");
  const golden = readGolden(before);
  const { trace, outcome, missed } = runGolden(golden);
  const after = writeGolden(golden, trace);
  if (outcome !== golden.expect || missed !== null) {
    const why = outcome === golden.expect ? `missed '${missed}'` : `expected ${golden.expect}`;
    console.log(`refused ${name}: ${outcome}, ${why}`);
    process.exitCode = 1;
    continue;
  }
  fs.writeFileSync(path, after);
  console.log(`${after === before ? "same   " : "changed"} ${name}: ${outcome}`);
}
