import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const MODEL_MS_MAX = 600_000;

function has(program: string): boolean {
  return spawnSync("which", [program]).status === 0;
}

const missing = ["spin", "cc"].filter((program) => !has(program));

test(
  "the model holds in every order of events, and each error in it is found",
  {
    skip: missing.length > 0 ? `${missing.join(" and ")} not installed (Debian: spin, gcc)` : false,
    timeout: MODEL_MS_MAX,
  },
  () => {
    const script = fileURLToPath(new URL("run.sh", import.meta.url));
    const { status, stdout, stderr } = spawnSync(script, { encoding: "utf8" });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^protocol: holds/m);
    assert.equal(stdout.match(/: broken/g)?.length, 6);
  },
);
