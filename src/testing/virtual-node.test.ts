import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { runLineProcess } from "./stand-ins/line-process.ts";
import {
  createVirtualNode,
  monotonicMs,
  type VirtualNode,
  type VirtualNodeEvent,
  type VirtualProcess,
  type VirtualWatchdog,
} from "./virtual-node.ts";

const HOLDER = fileURLToPath(new URL("stand-ins/watchdog-holder.ts", import.meta.url));
const MACHINE = fileURLToPath(new URL("stand-ins/supervised-machine.ts", import.meta.url));
const EBUSY = -16;
const WITHIN_MS = 20_000;
const SLACK_MS = 2000;

let directory: string;
let nodes: VirtualNode[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sbd-node-"));
  nodes = [];
});

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  rmSync(directory, { recursive: true });
});

type Commands = (node: VirtualNode) => readonly VirtualProcess[];

function makeNode(commands: Commands, watchdog: VirtualWatchdog = {}): VirtualNode {
  const node = createVirtualNode({
    name: "worker-1",
    machineID: "0123456789abcdef0123456789abcdef",
    directory: join(directory, `node-${nodes.length}`),
    watchdog,
    commands,
    bootDelayMs: 50,
  });
  nodes.push(node);
  return node;
}

function holder(timeoutSeconds: number, restart: VirtualProcess["restart"] = "never"): Commands {
  return (node) => [
    {
      name: "agent",
      argv: [process.execPath, HOLDER, node.watchdogPath, String(timeoutSeconds)],
      env: node.environment,
      restart,
    },
    { name: "workload", argv: ["sleep", "1000"], restart: "always" },
  ];
}

function shell(script: string): Commands {
  return (node) => [
    {
      name: "agent",
      argv: ["sh", "-c", script],
      env: { WATCHDOG: node.watchdogPath, ROOT: node.hostRoot },
      restart: "never",
    },
  ];
}

/** The first event of that kind; narrow enough to read its fields. */
async function see<Kind extends VirtualNodeEvent["kind"]>(
  node: VirtualNode,
  kind: Kind,
  afterMs = 0,
): Promise<Extract<VirtualNodeEvent, { kind: Kind }>> {
  const wanted = (event: VirtualNodeEvent): boolean => event.kind === kind && event.tMs >= afterMs;
  return (await node.waitFor(wanted, WITHIN_MS)) as Extract<VirtualNodeEvent, { kind: Kind }>;
}

async function seePets(node: VirtualNode, count: number): Promise<void> {
  if (node.petCount >= count) return;
  await node.waitFor((event) => event.kind === "pet" && event.count >= count, WITHIN_MS);
}

function sysfs(node: VirtualNode, file: string): string {
  const path = join(node.hostRoot, "sys/class/watchdog/watchdog0", file);
  return readFileSync(path, "utf8").trim();
}

function log(node: VirtualNode): unknown {
  return JSON.parse(readFileSync(join(node.logDirectory, "agent.log"), "utf8"));
}

function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/\) [ZX] /u.test(stat);
  } catch {
    return false;
  }
}

test("pets keep a node alive for longer than its watchdog's timeout", async () => {
  const node = makeNode(holder(2));
  node.boot();
  await seePets(node, 35); // one in 100 ms, so nearly twice the timeout
  assert.ok(node.isUp);
  assert.ok(!node.events.some(({ kind }) => kind === "fire"));
  assert.equal(sysfs(node, "state"), "active");
  assert.equal(sysfs(node, "timeout"), "2");
});

test("a node whose pets stop is dead as a whole by its timeout, and boots anew", async () => {
  const node = makeNode(holder(1));
  node.boot();
  const firstBoot = node.bootID;
  const mark = join(node.hostRoot, "run/sbd-agent/mark");
  writeFileSync(mark, "");
  let lastPetMs = 0;
  node.on((event) => {
    if (event.kind === "pet") lastPetMs = event.tMs;
  });
  await seePets(node, 5);
  const pids = [node.pid("agent"), node.pid("workload")].map((pid) => pid ?? 0);
  assert.ok(pids.every(runs));
  node.kill("agent", "SIGUSR1");
  const fire = await see(node, "fire");
  assert.equal(Math.round(fire.dueMs - lastPetMs), 1000);
  const dead = await see(node, "dead");
  assert.deepEqual([dead.cause, dead.bootID], ["watchdog", firstBoot]);
  assert.ok(dead.tMs >= fire.dueMs && dead.tMs < fire.dueMs + SLACK_MS);
  assert.ok(!pids.some(runs), "nothing of it is left");
  const boot = await see(node, "boot", dead.tMs);
  assert.notEqual(boot.bootID, firstBoot);
  const shown = readFileSync(join(node.hostRoot, "proc/sys/kernel/random/boot_id"), "utf8");
  assert.equal(shown.trim(), node.bootID);
  assert.ok(!existsSync(mark), "/run is empty after a boot");
  assert.equal(sysfs(node, "bootstatus"), "32");
  assert.equal(sysfs(node, "state"), "inactive");
});

test("the driver answers, refuses what is out of range, and takes the timeout as a pet", async () => {
  const node = makeNode(holder(5), { identity: "i6300ESB timer", maxTimeoutSeconds: 2046 });
  node.boot();
  const set = await see(node, "set");
  assert.equal(set.timeoutSeconds, 5);
  await seePets(node, 3);
  assert.deepEqual(log(node), {
    open: 0,
    set: 5,
    refused: -22,
    timeout: 5,
    left: 4,
    bootStatus: 0,
    support: { options: 0x8180, firmwareVersion: 0, identity: "i6300ESB timer" },
  });
  assert.equal(node.events.filter(({ kind }) => kind === "set").length, 1);
  assert.equal(sysfs(node, "identity"), "i6300ESB timer");
});

test("the death of the holder pets once more, and the time runs on", async () => {
  const node = makeNode(holder(1));
  node.boot();
  await seePets(node, 5);
  node.kill("agent", "SIGKILL");
  const close = await see(node, "close");
  const fire = await see(node, "fire");
  assert.equal(Math.round(fire.dueMs - close.tMs), 1000);
  assert.equal((await see(node, "exit")).signal, "SIGKILL");
});

test("a restarted holder takes a ticking watchdog over", async () => {
  const node = makeNode(holder(2, "always"));
  node.boot();
  await seePets(node, 5);
  const firstPid = node.pid("agent");
  node.kill("agent", "SIGKILL");
  const close = await see(node, "close");
  await see(node, "open", close.tMs);
  await seePets(node, node.petCount + 25);
  assert.notEqual(node.pid("agent"), firstPid);
  assert.ok(!node.events.some(({ kind }) => kind === "fire"));
});

test("'V' and close stop the watchdog, and the next open starts it again", async () => {
  const node = makeNode(holder(1));
  node.boot();
  await seePets(node, 5);
  node.kill("agent", "SIGUSR2");
  const stop = await see(node, "stop");
  assert.deepEqual([node.watchdogState.active, sysfs(node, "state")], [false, "inactive"]);
  node.kill("agent", "SIGKILL");
  await see(node, "exit");
  node.setRestart("agent", "always");
  await see(node, "open", stop.tMs);
  assert.equal(node.watchdogState.active, true);
});

test("nowayout ignores 'V': the node dies", async () => {
  const node = makeNode(holder(1), { nowayout: true });
  node.boot();
  await seePets(node, 5);
  node.kill("agent", "SIGUSR2");
  const close = await see(node, "close");
  const fire = await see(node, "fire");
  assert.equal(Math.round(fire.dueMs - close.tMs), 1000);
  assert.equal(sysfs(node, "nowayout"), "1");
});

test("a driver without magic close stops when its holder is killed", async () => {
  const node = makeNode(holder(1), { magicClose: false });
  node.boot();
  await seePets(node, 5);
  node.kill("agent", "SIGKILL");
  await see(node, "stop");
  assert.equal(node.watchdogState.active, false);
  assert.equal(sysfs(node, "options"), "0x8080");
});

test("a second opener is turned away, and pets nothing by it", async () => {
  const node = makeNode((self) => [
    ...holder(5)(self),
    {
      name: "second",
      // Comes when the first has it.
      argv: ["sh", "-c", 'while ! grep -qs open "$1"; do sleep 0.05; done; shift; exec "$@"', "sh"]
        .concat(join(self.logDirectory, "agent.log"))
        .concat(process.execPath, HOLDER, self.watchdogPath, "1"),
      env: self.environment,
      restart: "never",
    },
  ]);
  node.boot();
  await node.waitFor((event) => event.kind === "exit" && event.name === "second", WITHIN_MS);
  const said = readFileSync(join(node.logDirectory, "second.log"), "utf8");
  assert.deepEqual(JSON.parse(said), { open: EBUSY });
  await see(node, "open");
  assert.equal(node.events.filter(({ kind }) => kind === "open").length, 1);
});

test("a watchdog that takes longer than it says kills later, one that is broken never", async () => {
  const slow = makeNode(shell('exec 3>"$WATCHDOG"; printf . >&3; exec sleep 1000'), {
    timeoutSeconds: 1,
    timeoutFactor: 1.5,
    toleranceMs: 200,
  });
  const broken = makeNode(holder(1), { timeoutFactor: Infinity });
  slow.boot();
  broken.boot();
  const pet = await slow.waitFor(({ kind }) => kind === "pet", WITHIN_MS);
  assert.equal(Math.round((await see(slow, "fire")).dueMs - pet.tMs), 1700);
  await seePets(broken, 3);
  broken.kill("agent", "SIGKILL");
  await see(broken, "close");
  assert.ok(broken.isUp && broken.watchdogState.active);
});

test("processes without the interposer pet by plain bytes", async () => {
  const node = makeNode(
    shell('exec 3>"$WATCHDOG"; for n in 1 2 3; do printf . >&3; sleep 0.1; done; printf V >&3'),
    { timeoutSeconds: 5 },
  );
  node.boot();
  await see(node, "stop");
  assert.equal(node.petCount, 4);
});

test("sysrq 'b' kills the node at once, and it boots anew", async () => {
  const node = makeNode(
    shell('echo s >"$ROOT/proc/sysrq-trigger"; echo b >"$ROOT/proc/sysrq-trigger"; sleep 1000'),
  );
  node.boot();
  const sysrq = await node.waitFor((e) => e.kind === "sysrq" && e.command === "b", WITHIN_MS);
  const dead = await see(node, "dead");
  assert.equal(dead.cause, "sysrq");
  assert.ok(dead.tMs - sysrq.tMs < SLACK_MS);
  node.stayDown();
  assert.equal(sysfs(node, "bootstatus"), "0");
});

test("nothing outlives a supervisor that is killed", async () => {
  const machine = runLineProcess([MACHINE, join(directory, "machine")], {});
  const pids = (await machine.next()) as number[];
  assert.ok(pids.length === 2 && pids.every(runs));
  await machine.kill();
  const endMs = performance.now() + WITHIN_MS;
  while (pids.some(runs)) {
    assert.ok(performance.now() < endMs, `still there: ${pids.filter(runs).join(", ")}`);
    await delay(5);
  }
});

test("a process that ends is started again, until it is told otherwise", async () => {
  const node = makeNode(() => [{ name: "agent", argv: ["sleep", "1000"], restart: "always" }]);
  node.boot();
  const first = await see(node, "start");
  node.kill("agent", "SIGTERM");
  const exit = await see(node, "exit");
  assert.deepEqual([exit.code, exit.signal], [null, "SIGTERM"]);
  const second = await see(node, "start", exit.tMs);
  assert.notEqual(second.pid, first.pid);
  node.setRestart("agent", "never");
  node.kill("agent", "SIGKILL");
  await see(node, "exit", second.tMs);
  assert.equal(node.pid("agent"), null);
  assert.throws(() => node.kill("agent", "SIGKILL"), /runs no 'agent'/u);
  node.setRestart("agent", "always");
  await see(node, "start", second.tMs + 1);
});

test("a powered-off node stays down until it is booted", async () => {
  const node = makeNode(() => [{ name: "agent", argv: ["sleep", "1000"], restart: "always" }]);
  node.boot();
  const { pid } = await see(node, "start");
  await node.powerOff();
  assert.deepEqual(
    [node.isUp, runs(pid), (await see(node, "dead")).cause],
    [false, false, "power"],
  );
  node.boot();
  assert.ok(node.isUp);
});

test("a node told to stay down does not boot after its death", async () => {
  const node = makeNode(shell('echo b >"$ROOT/proc/sysrq-trigger"; sleep 1000'));
  node.boot();
  node.stayDown();
  await see(node, "dead");
  await delay(200); // four times the boot delay
  assert.equal(node.events.filter(({ kind }) => kind === "boot").length, 1);
});

test("a hung machine is reset by its watchdog", async () => {
  const node = makeNode(holder(1));
  node.boot();
  await seePets(node, 5);
  await node.freeze("watchdog-runs");
  const dead = await see(node, "dead");
  assert.equal(dead.cause, "watchdog");
});

test("a paused machine and its watchdog go on where they stopped", async () => {
  const node = makeNode(holder(1));
  node.boot();
  await seePets(node, 5);
  await node.freeze("watchdog-stops");
  const pets = node.petCount;
  await delay(1500); // longer than the timeout
  assert.equal(node.petCount, pets);
  node.thaw();
  await seePets(node, pets + 5);
  assert.ok(!node.events.some(({ kind }) => kind === "fire"));
});

test("a supervisor that was busy does not fire on a node that petted meanwhile", async () => {
  const node = makeNode(holder(1));
  node.boot();
  await seePets(node, 5);
  const before = node.petCount;
  blockFor(2500);
  await seePets(node, before + 25);
  assert.ok(!node.events.some(({ kind }) => kind === "fire"));
});

test("a supervisor that was busy does not forgive a node that did not pet", async () => {
  const node = makeNode(holder(1));
  node.boot();
  await seePets(node, 5);
  node.kill("agent", "SIGSTOP");
  const pid = node.pid("agent") ?? 0;
  blockFor(1800);
  process.kill(pid, "SIGCONT"); // its next pet comes 800 ms too late
  blockFor(300);
  const fire = await see(node, "fire");
  assert.ok(fire.dueMs < fire.tMs - 300, "it was due while nobody looked");
  assert.equal((await see(node, "dead")).cause, "watchdog");
});

/** Keeps the event loop from turning. */
function blockFor(ms: number): void {
  const endMs = monotonicMs() + ms;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  assert.ok(monotonicMs() >= endMs - 5);
}
