import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { setNiceness, setOomScoreAdjustment } from "./realtime.ts";
import { hostTree } from "./testing/temporary-directory.ts";

const skip = process.getuid?.() === 0 ? false : "locking memory needs root";

type Report = { readonly outcome: { kind: string; reason?: string }; readonly lockedKb: number };

/** Runs after locking what an agent's process does, and ends as it does: by itself. */
function lockInOtherProcess(work: string, ...through: string[]): Report {
  const module = new URL("realtime.ts", import.meta.url).href;
  const script = `
    import { readFileSync } from "node:fs";
    import { once } from "node:events";
    import { Worker } from "node:worker_threads";
    import { lockMemory } from ${JSON.stringify(module)};
    const outcome = lockMemory();
    const lockedKb = Number(/VmLck:\\s*(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    ${work}
    console.log(JSON.stringify({ outcome, lockedKb }));`;
  const [program, ...parameters] = [
    ...through,
    process.execPath,
    "--expose-gc",
    "--input-type=module",
    "-e",
    script,
  ];
  const result = spawnSync(program, parameters, { encoding: "utf8" });
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout) as Report;
}

test("locked memory covers the program and the petter", { skip }, () => {
  const { outcome, lockedKb } = lockInOtherProcess("");
  assert.deepEqual(outcome, { kind: "granted" });
  const programKb = fs.statSync(process.execPath).size / 1024;
  assert.ok(lockedKb > programKb / 2, `${lockedKb} kB locked of a program of ${programKb} kB`);
});

test(
  "with memory locked, a worker can end and the process too: V8 survives giving memory back",
  { skip },
  () => {
    lockInOtherProcess(`
    const worker = new Worker("", { eval: true });
    await once(worker, "exit");
    let garbage = Array.from({ length: 300_000 }, (_, i) => ({ i, text: "x" + i }));
    garbage = null;
    globalThis.gc();`);
  },
);

test("memory that may not be locked is a reason, not an error", { skip }, () => {
  const { outcome } = lockInOtherProcess(
    "",
    "prlimit",
    "--memlock=0:0",
    "setpriv",
    "--bounding-set=-ipc_lock",
  );
  assert.equal(outcome.kind, "refused");
  assert.match(outcome.reason ?? "", /mlock.*CAP_IPC_LOCK/);
});

test("the OOM score is written, refused with a reason, and checked", () => {
  const process = hostTree({ oom_score_adj: "" });
  assert.deepEqual(setOomScoreAdjustment(-900, process), { kind: "granted" });
  assert.equal(fs.readFileSync(join(process, "oom_score_adj"), "utf8"), "-900");
  assert.equal(setOomScoreAdjustment(500, "/nonexistent").kind, "refused");
  assert.throws(() => setOomScoreAdjustment(1001, process), RangeError);
});

test("a process goes before others where it may, and says why where it may not", { skip }, (t) => {
  const before = os.getPriority();
  t.after(() => os.setPriority(before));
  assert.deepEqual(setNiceness(-5), { kind: "granted" });
  assert.equal(os.getPriority(), -5);
  const module = new URL("realtime.ts", import.meta.url).href;
  const script = `import { setNiceness } from ${JSON.stringify(module)}; console.log(JSON.stringify(setNiceness(-20)));`;
  const flags = ["--bounding-set=-sys_nice", process.execPath, "--input-type=module", "-e", script];
  const { stdout } = spawnSync("setpriv", flags, { encoding: "utf8" });
  assert.match(stdout, /refused.*CAP_SYS_NICE/);
});
