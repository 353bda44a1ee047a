import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createFaultControl, faultEnvironment } from "./fault-control.ts";
import { createProcessGroup, type ProcessGroup } from "./process-group.ts";

const CLIENT = fileURLToPath(new URL("stand-ins/device-client.ts", import.meta.url));
const WITHIN_MS = 20_000;

let directory: string;
let group: ProcessGroup;
let told: string[];

beforeEach(() => {
  process.env["SBD_LEAK"] = "leaked";
  directory = mkdtempSync(join(tmpdir(), "sbd-group-"));
  told = [];
  group = createProcessGroup(
    {
      started: (name) => void told.push(`${name} started`),
      exited: (name, code, signal) => void told.push(`${name} ${signal ?? code}`),
    },
    join(directory, "init.log"),
  );
});

afterEach(async () => {
  await group.kill(WITHIN_MS);
  rmSync(directory, { recursive: true });
});

function start(name: string, argv: readonly string[], env: Record<string, string> = {}): void {
  group.start({ name, argv, env, logPath: join(directory, name) });
}

function output(name: string): string {
  return readFileSync(join(directory, name), "utf8");
}

async function until(wanted: () => boolean): Promise<void> {
  const endMs = performance.now() + WITHIN_MS;
  while (!wanted()) {
    assert.ok(performance.now() < endMs, `so far: ${told.join(", ")}`);
    await delay(2);
  }
}

test("a process gets its words and variables as they are, and no other variables", async () => {
  const odd = `it's "$HOME" \\ ;&|*`;
  start("odd", ["sh", "-c", 'echo "$1 $ODD $SBD_LEAK"', "sh", odd], { ODD: odd });
  await until(() => told.includes("odd 0"));
  assert.equal(output("odd"), `${odd} ${odd} \n`);
});

test("the end of a process is told with its exit code or signal", async () => {
  start("three", ["sh", "-c", "exit 3"]);
  start("killed", ["sh", "-c", "kill -KILL $$"]);
  start("missing", ["/nonexistent"]);
  await until(() =>
    ["three 3", "killed SIGKILL", "missing 127"].every((end) => told.includes(end)),
  );
});

test("a line break in a command is refused, as it would be a command of its own", () => {
  assert.throws(() => start("two", ["sh", "-c", "true\nfalse"]), /a line break/u);
});

test("a frozen group does nothing, not even what it forks, until it thaws", async () => {
  start("counter", ["sh", "-c", "while :; do echo x; sleep 0.01; done"]);
  await until(() => told.includes("counter started") && output("counter").length > 10);
  await group.freeze();
  const before = output("counter");
  await delay(100); // ten times what it would need for a line
  assert.equal(output("counter"), before);
  group.thaw();
  await until(() => output("counter").length > before.length + 10);
});

test("a fork bomb's worth of children dies with the group, and dead is when all of it is", async () => {
  start("forks", ["sh", "-c", "while :; do sleep 1000 & echo $!; sleep 0.01; done"]);
  await until(() => told.includes("forks started") && output("forks").split("\n").length > 20);
  await group.kill(WITHIN_MS);
  const pids = output("forks").trim().split("\n");
  const left = pids.filter((pid) => statOf(pid)?.includes(` ${group.pgid} `) === true);
  assert.deepEqual(left, []);
});

test("a write queued to land late dies with the group", async () => {
  const device = join(directory, "device");
  writeFileSync(device, Buffer.alloc(4096, 1));
  const control = createFaultControl(join(directory, "faults"));
  control.set({ write: { late: { landAfterMs: "released", report: "success" } } });
  const write = JSON.stringify({ op: "write", offset: 0, length: 512, byte: 2 });
  start(
    "writer",
    ["sh", "-c", `echo '${write}' | "$1" "$2" "$3"`, "sh", process.execPath, CLIENT, device],
    {
      ...faultEnvironment(control, device),
    },
  );
  await until(() => told.includes("writer 0"));
  assert.equal(control.counters().lateQueued, 1);
  await group.kill(WITHIN_MS);
  control.heal();
  await delay(100); // a landing looks for its release every millisecond
  assert.equal(control.counters().lateLanded, 0);
  assert.equal(readFileSync(device)[0], 1);
  control.close();
});

/** What is left of a living process; null for a dead one. */
function statOf(pid: string): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return /\) [ZX] /u.test(stat) ? null : stat;
  } catch {
    return null;
  }
}
