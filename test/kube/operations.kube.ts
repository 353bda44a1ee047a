/**
 * What docs tell an administrator to type on a running cluster, typed: the commands of each runbook as they
 * stand there, a fencing that silence does not prove, must-gather; and the startup taint, by a real
 * scheduler and node admission. See `stand-in-machines.ts` for what stands in.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { globSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { UNPROTECTED_TAINT } from "../../src/api/remediation-names.ts";
import { fieldAt, listAt, textAt } from "../../src/kube/kube-object.ts";
import { whyNoLoopDevices } from "../../src/platform/testing/loop-device.ts";
import {
  conditionOf,
  type ProgramEnd,
  REPOSITORY,
  runToItsEnd,
  StandInMachines,
  WORKERS,
} from "./stand-in-machines.ts";

const SYSTEM = ["-n", "sbd-system"];
const NODE = "worker-2";
const READY_SECONDS = 240;
const skip = whyNoLoopDevices();

let cluster: StandInMachines;

before(async () => {
  if (skip !== false) return;
  cluster = await StandInMachines.start();
  execFileSync("make", ["--silent", "manifests"], { cwd: REPOSITORY, stdio: "pipe" });
  await cluster.kubectl("apply", "-f", "dist/install.yaml");
  await cluster.kubectl(
    ...[...SYSTEM, "rollout", "status", "deployment/sbd-operator", "--timeout=180s"],
  );
  await cluster.kubectl("apply", "-f", cluster.claim());
});

after(async () => {
  await cluster?.close();
});

/** Whether each Node has the startup taint, and whether its agent was armed in its boot, read after that. */
async function protection(): Promise<
  ReadonlyMap<string, { readonly tainted: boolean; readonly armed: boolean }>
> {
  const nodes = listAt(await cluster.get("nodes"), "items");
  const sbdNodes = listAt(await cluster.get("sbdnodes"), "items");
  return new Map(
    nodes.map((node) => {
      const name = textAt(node, "metadata", "name");
      const bootID = textAt(node, "status", "nodeInfo", "bootID");
      const tainted = listAt(node, "spec", "taints").some(
        (taint) => textAt(taint, "key") === UNPROTECTED_TAINT.key,
      );
      const armed = sbdNodes.some(
        (sbdNode) =>
          textAt(sbdNode, "spec", "nodeName") === name &&
          fieldAt(sbdNode, "status", "armed") === true &&
          textAt(sbdNode, "status", "bootID") === bootID,
      );
      return [name, { tainted, armed }];
    }),
  );
}

/** Looks until it holds; meanwhile no Node loses the taint before it is armed in its boot. */
async function watchProtection(
  what: string,
  seconds: number,
  holds: (now: Awaited<ReturnType<typeof protection>>) => boolean,
): Promise<void> {
  let before = new Map<string, boolean>();
  await cluster.until(what, seconds, async () => {
    const now = await protection().catch(() => null);
    if (now === null) return false;
    for (const [name, { tainted, armed }] of now) {
      if (before.get(name) === true && !tainted) assert.ok(armed, `${name} is free and not armed`);
    }
    before = new Map([...now].map(([name, { tainted }]) => [name, tainted]));
    return holds(now);
  });
}

async function agentPod(node: string): Promise<string> {
  const pods = listAt(await cluster.get(...SYSTEM, "pods", "-l", "app=sbd-agent"), "items");
  const found = pods.find((pod) => textAt(pod, "spec", "nodeName") === node);
  return textAt(found, "metadata", "name");
}

async function sbdctl(...words: readonly string[]): Promise<ProgramEnd> {
  return runToItsEnd(join(REPOSITORY, "bin/sbdctl"), words, cluster.environment);
}

test(
  "startup taint: nodes are tainted from the first moment, and free once they are armed",
  { skip },
  async () => {
    const config = cluster.sample(
      "sbdconfig.yaml",
      "  sbdTimeoutSeconds: 30",
      "  startupTaint: true\n  pausableNodes: Refuse\n  sbdTimeoutSeconds: 20",
    );
    writeFileSync(
      config,
      readFileSync(config, "utf8").replace(
        "watchdogTimeoutSeconds: 15",
        "watchdogTimeoutSeconds: 10",
      ),
    );
    await cluster.kubectl("apply", "-f", config);
    await watchProtection("every node is tainted", 60, (now) =>
      WORKERS.every((name) => now.get(name)?.tainted === true),
    );
    await watchProtection("every node is free", READY_SECONDS, (now) =>
      WORKERS.every((name) => now.get(name)?.tainted === false),
    );
    await cluster.kubectl(
      ...["wait", "--for=condition=Ready", "sbdconfig/default", `--timeout=${READY_SECONDS}s`],
    );
  },
);

test(
  "startup taint: a boot that cannot arm takes no pod, through an outage of the API server and the operators, and is free once its agent finds the watchdog",
  { skip },
  async () => {
    const machine = cluster.machine("worker-1");
    const away = `${machine.watchdogPath}-away`;
    await machine.powerOff();
    machine.boot();
    renameSync(machine.watchdogPath, away);
    await watchProtection(
      "worker-1 is tainted",
      60,
      (now) => now.get("worker-1")?.tainted === true,
    );
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "work", namespace: "default" },
      spec: {
        nodeSelector: { "kubernetes.io/hostname": "worker-1" },
        containers: [{ name: "work", image: "none" }],
      },
    };
    const path = join(cluster.workFolder, "work.json");
    writeFileSync(path, JSON.stringify(pod));
    await cluster.kubectl("create", "-f", path);
    const scheduled = async (): Promise<string> =>
      conditionOf(await cluster.get("pod", "work"), "PodScheduled");
    await cluster.until("the scheduler has looked", 60, async () => {
      return (await scheduled()) === "False Unschedulable";
    });
    await cluster.plane.kill("kube-apiserver");
    await delay(10_000);
    await cluster.plane.startServer();
    await cluster.kubectl(...SYSTEM, "delete", "pods", "-l", "app=sbd-operator", "--wait=false");
    const untilMs = performance.now() + 30_000;
    await watchProtection("half a minute has passed", 90, (now) => {
      assert.equal(now.get("worker-1")?.tainted, true);
      return performance.now() > untilMs;
    });
    assert.equal(await scheduled(), "False Unschedulable");
    renameSync(away, machine.watchdogPath);
    await watchProtection("worker-1 is free", READY_SECONDS, (now) => {
      return now.get("worker-1")?.tainted === false;
    });
    await cluster.until("the pod is bound", 60, async () => (await scheduled()).startsWith("True"));
    await cluster.kubectl("delete", "pod", "work", "--wait=false");
  },
);

test(
  "startup taint: a kubelet may register with it, and may not take it off",
  { skip },
  async () => {
    const { authority, url } = cluster.plane;
    const name = "worker-9";
    authority.issue({ name, subject: `/O=system:nodes/CN=system:node:${name}`, use: "clientAuth" });
    const KUBECONFIG = authority.kubeconfig(name, url);
    const asKubelet = async (...words: readonly string[]): Promise<ProgramEnd> =>
      runToItsEnd("kubectl", words, { ...process.env, KUBECONFIG });
    const node = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { "kubernetes.io/os": "linux" } },
      spec: { taints: [UNPROTECTED_TAINT] },
    };
    const path = join(cluster.workFolder, "node.json");
    writeFileSync(path, JSON.stringify(node));
    assert.deepEqual(await asKubelet("create", "-f", path), {
      code: 0,
      output: "node/worker-9 created\n",
    });
    const patch = '{"spec":{"taints":null}}';
    const refused = await asKubelet("patch", "node", name, "--type=merge", "-p", patch);
    assert.equal(refused.code, 1, refused.output);
    assert.match(refused.output, /is not allowed to modify taints/);
    assert.equal((await protection()).get(name)?.tainted, true);
    await cluster.kubectl("delete", "node", name);
    await cluster.kubectl(
      ...["wait", "--for=condition=Ready", "sbdconfig/default", `--timeout=${READY_SECONDS}s`],
    );
  },
);

type Told = { readonly page: string; readonly command: string };

/** Those in code that begin with a program which an administrator has. */
function toldCommands(): readonly Told[] {
  const folder = join(REPOSITORY, "docs/runbooks");
  return globSync("*.md", { cwd: folder }).flatMap((page) =>
    [...readFileSync(join(folder, page), "utf8").matchAll(/`([^`]+)`/g)]
      .map(([, span = ""]) => span.replaceAll(/\s+/g, " "))
      .filter((span) => /^(kubectl|sbdctl) /.test(span))
      .map((command) => ({ page, command })),
  );
}

/** Of one node that is being fenced; typed where one is. */
const OF_A_FENCING = new Set(["sbdctl fencing NODE", "sbdctl confirm-off NODE"]);
/** What is typed beside what the page says: an answer to a question, less time. */
const MORE: readonly (readonly [RegExp, readonly string[]])[] = [
  [/ device bench /, ["--seconds", "5"]],
  [/ device fence /, ["--yes"]],
  [/ confirm-off /, ["--yes"]],
];
/** Of commands that fail where they find something: a virtual machine has much to find. */
const MAY_FIND = / sbdctl doctor$/;

async function type(command: string): Promise<ProgramEnd> {
  const more = MORE.filter(([pattern]) => pattern.test(command)).flatMap(([, words]) => words);
  const pod = await agentPod("worker-1");
  const words = [
    ...command
      .replaceAll(/\bNODE\b/g, NODE)
      .replaceAll(/\bPOD\b/g, pod)
      .replaceAll(/\bNAME\b/g, "default")
      .split(" "),
    ...more,
  ];
  const [program = "", ...args] = words;
  const inside = words.indexOf("--");
  if (words.includes("exec")) return cluster.inPod(pod, words.slice(inside + 1));
  return program === "sbdctl" ? sbdctl(...args) : runToItsEnd(program, args, cluster.environment);
}

test("what runbooks tell is typed as it stands, and answers", { skip }, async (t) => {
  const told = toldCommands();
  assert.ok(told.length > 15, String(told.length));
  for (const { page, command } of told.filter(({ command }) => !OF_A_FENCING.has(command))) {
    await t.test(`${page}: ${command}`, async () => {
      const { code, output } = await type(command);
      console.log(`$ ${command}\n${output.slice(0, 400)}`);
      assert.ok(code === 0 || (code === 1 && MAY_FIND.test(command)), `exit ${code}: ${output}`);
      assert.notEqual(output.trim(), "", "it says something");
    });
  }
  await cluster.kubectl("uncordon", NODE);
  await cluster.kubectl(
    ...["wait", "--for=condition=Ready", "sbdconfig/default", `--timeout=${READY_SECONDS}s`],
  );
});

test(
  "SBDFencingPending: silence is no proof of a machine that may be paused; off is said, and its work goes",
  { skip },
  async () => {
    const machine = cluster.machine(NODE);
    await machine.freeze("watchdog-stops");
    const asked = await sbdctl("fence", NODE, "--yes", "--no-wait");
    assert.equal(asked.code, 0, asked.output);
    // M and half a minute: when the alert fires.
    await delay(72_000);
    const fencing = await type("sbdctl fencing NODE");
    console.log(fencing.output);
    assert.match(fencing.output, /confirm-off/);
    const early = await sbdctl("confirm-off", NODE);
    assert.equal(early.code, 3, early.output);
    machine.stayDown();
    await machine.powerOff();
    const said = await type("sbdctl confirm-off NODE");
    console.log(said.output);
    assert.equal(said.code, 0, said.output);
    await cluster.until("the death is proven by that", 60, async () => {
      const requests = listAt(await cluster.get(...SYSTEM, "sbdremediations"), "items");
      return requests.some(
        (request) =>
          textAt(request, "status", "fencing", "evidence", "kind") === "ManuallyConfirmed",
      );
    });
    const report = await sbdctl("report", NODE);
    assert.equal(report.code, 0, report.output);
    assert.match(report.output, /impossible/);
  },
);

test("must-gather has objects, events and every pod's log", { skip }, async () => {
  const archive = join(cluster.workFolder, "gathered.tar.gz");
  const { code, output } = await sbdctl("must-gather", "--no-exec", "--archive", archive);
  assert.equal(code, 0, output);
  console.log(output);
  const listed = execFileSync("tar", ["-tzf", archive], { encoding: "utf8" }).split("\n");
  for (const wanted of [
    /\/objects\/cluster\/sbdconfigs\/default\.yaml$/,
    /\/events\.jsonl$/,
    /\/logs\/sbd-agent-default-\w+\/sbd-agent\.log$/,
    /\/logs\/sbd-operator-[\w-]+\/[\w-]+\.log$/,
  ]) {
    assert.ok(
      listed.some((path) => wanted.test(path)),
      String(wanted),
    );
  }
});

test("startup taint: it goes with the SBDConfig", { skip }, async () => {
  await cluster.kubectl(...SYSTEM, "delete", "sbdremediations", "--all", "--timeout=120s");
  cluster.machine(NODE).boot();
  await cluster.kubectl("delete", "sbdconfig", "default", "--timeout=240s");
  for (const [name, { tainted }] of await protection()) assert.equal(tainted, false, name);
});
