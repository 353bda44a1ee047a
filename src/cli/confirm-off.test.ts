import assert from "node:assert/strict";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { fieldAt } from "../kube/kube-object.ts";
import { until } from "../kube/testing/until.ts";
import {
  BOOT_ID,
  OTHER_BOOT_ID,
  startEmbeddedCluster,
  type EmbeddedCluster,
} from "./testing/embedded-cluster.ts";
import { sbdctl, startOnTerminal, startSbdctl, type Finished } from "./testing/sbdctl.ts";

const STANDING = {
  fencing: {
    agent: "worker-2",
    nodeID: 1,
    state: "Durable",
    bootID: BOOT_ID,
    machineID: "a".repeat(32),
    missing: ["MSGWAIT: M = T + 2W + slack has not passed since the message"],
  },
};

/** worker-1 is lost, and a message stands for it. */
async function lostNode(context: TestContext): Promise<{
  readonly cluster: EmbeddedCluster;
  readonly uid: string;
}> {
  const cluster = await startEmbeddedCluster(context);
  cluster.addNode("worker-1", 1);
  return { cluster, uid: await cluster.addRequest("req", "worker-1", STANDING) };
}

function confirmation(cluster: EmbeddedCluster, request = "req"): unknown {
  const object = cluster.server.objects.get("sbdremediations", request, "default");
  return fieldAt(object, "status", "confirmation");
}

function confirm(
  context: TestContext,
  cluster: EmbeddedCluster,
  more: readonly string[] = [],
  token?: string,
): Promise<Finished> {
  const args = ["confirm-off", "worker-1", "--yes", "-o", "json", ...more];
  return sbdctl(context, args, cluster.environment(token));
}

async function refusal(
  context: TestContext,
  cluster: EmbeddedCluster,
  more: readonly string[] = [],
): Promise<string> {
  const { code, stdout } = await confirm(context, cluster, more);
  const { error } = JSON.parse(stdout);
  assert.equal(code, error.code === "REFUSED" ? 3 : 1, stdout);
  assert.equal(confirmation(cluster), undefined);
  return error.message;
}

async function showFencing(
  cluster: EmbeddedCluster,
  status: "True" | "False",
  message: string,
): Promise<void> {
  const time = "2026-01-01T00:00:00Z";
  const condition = { type: "FencingSucceeded", status, reason: "X", message: "" };
  const evidence = { kind: "ManuallyConfirmed", time, bootID: BOOT_ID, detail: "kate said so" };
  await cluster.setStatus("req", {
    message,
    fencing: { ...STANDING.fencing, evidence },
    conditions: [{ ...condition, lastTransitionTime: time }],
  });
}

test("one who may confirm does so in her own name, for this request and the addressed boot", async (context) => {
  const { cluster, uid } = await lostNode(context);
  const { code, stdout, stderr } = await confirm(context, cluster);
  assert.equal(code, 0, stderr);
  const document = JSON.parse(stdout);
  const { time } = document.confirmation;
  assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000);
  assert.deepEqual(document, {
    nodeName: "worker-1",
    request: { namespace: "default", name: "req", uid },
    boots: { message: BOOT_ID, node: BOOT_ID, sbdNode: BOOT_ID },
    confirmation: { requestUID: uid, bootID: BOOT_ID, by: "kate", time },
    evidence: null,
  });
  assert.deepEqual(confirmation(cluster), document.confirmation);
  for (const line of [
    /^boot to be confirmed +[0-9a-f-]{36}$/m,
    /^machine +a{32}$/m,
    /^last good pass +2026-01-01T00:00:00Z$/m,
    /^ +Ready=Unknown since 2026-01-01T00:00:00Z$/m,
    /^fencer +worker-2, Durable$/m,
    /^missing to a proof +MSGWAIT: /m,
    /^confirmed by +kate$/m,
    /If it runs, data is corrupted/,
  ]) {
    assert.match(stderr, line);
  }
});

test("a person behind a shared account stands behind the account's name", async (context) => {
  const { cluster } = await lostNode(context);
  const { code, stderr } = await confirm(context, cluster, ["--by", "Kate Smith"]);
  assert.equal(code, 0, stderr);
  assert.equal(fieldAt(confirmation(cluster), "by"), "kate (Kate Smith)");
});

test("the same word again writes nothing", async (context) => {
  const { cluster } = await lostNode(context);
  await confirm(context, cluster);
  const before = cluster.server.version;
  const { code, stderr } = await confirm(context, cluster);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /kate has said so at .*: nothing was written/);
  assert.equal(cluster.server.version, before);
});

test("neither agents nor fencers nor the unbound can confirm, whatever program they run", async (context) => {
  const { cluster } = await lostNode(context);
  const { server } = cluster;
  const agent = server.tokenFor(SYSTEM_NAMESPACE, "sbd-agent", { nodeName: "worker-2" });
  // Its role lets an agent patch that status; admission looks at what it patches.
  const byAgent = await confirm(context, cluster, [], agent);
  assert.equal(byAgent.code, 1);
  assert.match(JSON.parse(byAgent.stdout).error.message, /a fencer changes status.fencing only/);
  const named = { fencing: { ...STANDING.fencing, agent: "sbd-fencer-default" } };
  await cluster.setStatus("req", named);
  const podName = "sbd-fencer-default-5d4f8c7b9-x2x2x";
  const fencer = server.tokenFor(SYSTEM_NAMESPACE, "sbd-fencer", { podName });
  const byFencer = await confirm(context, cluster, [], fencer);
  assert.match(JSON.parse(byFencer.stdout).error.message, /a fencer changes status.fencing only/);
  const byStranger = await confirm(context, cluster, [], server.tokenForUser("joe", []));
  assert.equal(byStranger.code, 1);
  assert.match(JSON.parse(byStranger.stdout).error.message, /joe.*sbd-confirm-off/);
  assert.equal(confirmation(cluster), undefined);
});

test("a node that lives as far as the cluster knows is not confirmed off", async (context) => {
  const cluster = await startEmbeddedCluster(context);
  cluster.addNode("worker-1", 1, { ready: "True" });
  await cluster.addRequest("req", "worker-1", STANDING);
  assert.match(await refusal(context, cluster), /kubelet of worker-1 reports Ready/);
  cluster.addNode("worker-1", 1, { lastPassTime: new Date().toISOString() });
  assert.match(await refusal(context, cluster), /agent of worker-1 has reported a good pass/);
});

test("without an open request there is nobody to tell", async (context) => {
  const cluster = await startEmbeddedCluster(context);
  cluster.addNode("worker-1", 1);
  cluster.addNode("worker-2", 2);
  await cluster.addRequest("other", "worker-2", STANDING);
  await cluster.addRequest("fresh", "worker-1", {}, []);
  assert.match(
    await refusal(context, cluster),
    /no open SBDRemediation is about node worker-1 \(default\/fresh is not accepted yet/,
  );
  assert.match(
    await refusal(context, cluster, ["--request", "default/other"]),
    /default\/other is not about node worker-1/,
  );
  assert.match(
    await refusal(context, cluster, ["--request", "default/none"]),
    /no readable SBDRemediation default\/none/,
  );
});

test("of several open requests one is named", async (context) => {
  const { cluster } = await lostNode(context);
  await cluster.addRequest("second", "worker-1", STANDING);
  assert.match(await refusal(context, cluster), /2 open .*default\/req, default\/second/);
  const { code, stderr } = await confirm(context, cluster, ["--request", "default/second"]);
  assert.equal(code, 0, stderr);
  assert.equal(confirmation(cluster), undefined);
  assert.equal(fieldAt(confirmation(cluster, "second"), "by"), "kate");
});

test("a request that has failed takes no word any more", async (context) => {
  const { cluster } = await lostNode(context);
  const decided = [
    { type: "Succeeded", status: "False", reason: "FencingFailed", message: "" },
  ].map((condition) => ({ ...condition, lastTransitionTime: "2026-01-01T00:00:00Z" }));
  await cluster.setStatus("req", { ...STANDING, conditions: decided });
  assert.match(await refusal(context, cluster), /default\/req is decided/);
});

test("only the addressed boot can be confirmed, and not by guessing where another was told", async (context) => {
  const { cluster } = await lostNode(context);
  assert.match(
    await refusal(context, cluster, ["--boot-id", OTHER_BOOT_ID]),
    new RegExp(`addressed to boot ${BOOT_ID}, not to ${OTHER_BOOT_ID}`),
  );
  cluster.addNode("worker-1", 1, { bootID: OTHER_BOOT_ID });
  assert.match(await refusal(context, cluster), /has told another one since/);
  const { code, stderr } = await confirm(context, cluster, ["--boot-id", BOOT_ID]);
  assert.equal(code, 0, stderr);
  const said = stderr.replaceAll(/\s+/g, " ");
  assert.match(said, new RegExp(`WARNING another boot has been told, too: ${OTHER_BOOT_ID}`));
  assert.match(
    said,
    /WARNING not to be seen from here: a boot whose kubelet has not reached the API/,
  );
  assert.equal(fieldAt(confirmation(cluster), "bootID"), BOOT_ID);
});

test("where no message stands the Node and its agent must agree on the boot", async (context) => {
  const { cluster } = await lostNode(context);
  await cluster.setStatus("req", { fencing: { agent: "worker-2", state: "Waiting" } });
  cluster.addNode("worker-1", 1, { bootID: OTHER_BOOT_ID });
  assert.match(await refusal(context, cluster), /tells boots .* and .*Wait until a message/);
  cluster.addNode("worker-1", 1);
  const { code, stderr } = await confirm(context, cluster);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^boot of the message +no message stands$/m);
  assert.equal(fieldAt(confirmation(cluster), "bootID"), BOOT_ID);
});

test("a Node that is not there is said", async (context) => {
  const { cluster } = await lostNode(context);
  cluster.server.objects.delete("nodes", "worker-1");
  assert.match(await refusal(context, cluster), /there is no Node worker-1/);
});

test("on a terminal the node's name is typed, and without one --yes is needed", async (context) => {
  const { cluster } = await lostNode(context);
  for (const [typed, exit] of [
    ["worker-2", 3],
    ["worker-1", 0],
  ] as const) {
    const running = startOnTerminal(context, ["confirm-off", "worker-1"], cluster.environment());
    await running.said("Type 'worker-1'");
    running.child.stdin?.write(`${typed}\n`);
    const { code, stdout } = await running.finished;
    assert.equal(code, exit, stdout);
    assert.equal(confirmation(cluster) !== undefined, exit === 0);
    if (exit === 0) assert.match(stdout, /The fencer takes it with its next look/);
  }
  const { code, stderr } = await sbdctl(
    context,
    ["confirm-off", "worker-1", "--boot-id", OTHER_BOOT_ID],
    cluster.environment(),
  );
  assert.equal(code, 3, stderr);
  await cluster.setStatus("req", STANDING);
  const silent = await sbdctl(context, ["confirm-off", "worker-1"], cluster.environment());
  assert.equal(silent.code, 3);
  assert.match(silent.stderr, /with --yes/);
});

test("a fencer that reports at the same moment is no obstacle, and keeps its report", async (context) => {
  const { cluster } = await lostNode(context);
  const { server } = cluster;
  const held = server.faults.add(
    { user: "kate", verbs: ["patch"] },
    { kind: "partition", lost: "requests", afterwards: "deliver" },
  );
  const running = confirm(context, cluster);
  await until("the first attempt", () => held.hits === 1);
  await cluster.setStatus("req", { fencing: { ...STANDING.fencing, epoch: 7 } });
  held.remove();
  const { code, stderr } = await running;
  assert.equal(code, 0, stderr);
  assert.equal(fieldAt(confirmation(cluster), "bootID"), BOOT_ID);
  const object = server.objects.get("sbdremediations", "req", "default");
  assert.equal(fieldAt(object, "status", "fencing", "epoch"), 7);
  const attempts = server.log.filter(({ user }) => user === "kate");
  assert.equal(attempts.length, 1);
});

test("what changes between the question and the answer is not confirmed", async (context) => {
  const { cluster } = await lostNode(context);
  const running = startOnTerminal(context, ["confirm-off", "worker-1"], cluster.environment());
  await running.said("Type 'worker-1'");
  const other = { fencing: { ...STANDING.fencing, bootID: OTHER_BOOT_ID } };
  await cluster.setStatus("req", other);
  cluster.addNode("worker-1", 1, { bootID: OTHER_BOOT_ID });
  cluster.server.objects.change("sbdnodes", "default-1", (object) => ({
    ...object,
    status: { bootID: OTHER_BOOT_ID },
  }));
  running.child.stdin?.write("worker-1\n");
  const { code, stdout } = await running.finished;
  assert.equal(code, 3, stdout);
  assert.match(stdout, /the boot is another one than was shown/);
  assert.equal(confirmation(cluster), undefined);
});

test("with --wait it ends when the leader has drawn its conclusion, or has not in time", async (context) => {
  const { cluster } = await lostNode(context);
  const waiting = startSbdctl(
    context,
    ["confirm-off", "worker-1", "--yes", "--wait", "60", "-o", "json"],
    cluster.environment(),
  );
  await waiting.said("waiting for FencingSucceeded");
  await showFencing(cluster, "True", "kate confirmed it");
  const { code, stdout } = await waiting.finished;
  assert.equal(code, 0, stdout);
  assert.equal(JSON.parse(stdout).evidence, "ManuallyConfirmed");
});

test("with --wait a request that fails or stays open is not proven", async (context) => {
  const { cluster } = await lostNode(context);
  const late = await confirm(context, cluster, ["--wait", "0.1"]);
  assert.equal(late.code, 3);
  assert.match(JSON.parse(late.stdout).error.message, /not proven within 0.1 s/);
  assert.equal(JSON.parse(late.stdout).confirmation.by, "kate");
  const waiting = startSbdctl(
    context,
    ["confirm-off", "worker-1", "--yes", "--wait", "60"],
    cluster.environment(),
  );
  await waiting.said("waiting for FencingSucceeded");
  await showFencing(cluster, "False", "the node object is gone");
  const { code, stderr } = await waiting.finished;
  assert.equal(code, 3);
  assert.match(stderr, /the request has failed: the node object is gone/);
});

test("the cluster is found as kubectl finds it, and without one that is said", async (context) => {
  const { cluster } = await lostNode(context);
  const { KUBECONFIG: file = "" } = cluster.environment();
  const home = join(file, "..");
  mkdirSync(join(home, ".kube"));
  renameSync(file, join(home, ".kube", "config"));
  const args = ["confirm-off", "worker-1", "--yes"];
  const lost = await sbdctl(context, args, { KUBECONFIG: "", HOME: "/nowhere" });
  assert.equal(lost.code, 1);
  assert.match(lost.stderr, /no \/nowhere\/.kube\/config.*nothing was done/s);
  const named = [...args, "--context", "nowhere"];
  const strange = await sbdctl(context, named, { KUBECONFIG: "", HOME: home });
  assert.match(strange.stderr, /has no context 'nowhere'/);
  const found = await sbdctl(context, args, { KUBECONFIG: "", HOME: home });
  assert.equal(found.code, 0, found.stderr);
});

test("an API server that is away is said, and nothing was recorded", async (context) => {
  const { cluster } = await lostNode(context);
  const environment = cluster.environment();
  await cluster.server.goAway();
  const { code, stderr } = await sbdctl(context, ["confirm-off", "worker-1", "--yes"], environment);
  assert.equal(code, 1);
  assert.match(stderr, /The API server did not do what was asked: .*Run the command again/s);
  await cluster.server.comeBack();
  assert.equal(confirmation(cluster), undefined);
});
