import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { API_VERSION } from "../api/group.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { BOOT_ID, startEmbeddedCluster, type EmbeddedCluster } from "./testing/embedded-cluster.ts";
import { SBDCTL, sbdctl, type Finished } from "./testing/sbdctl.ts";

const NODES = ["worker-1", "worker-2", "worker-3"];

/** worker-1 is silent, worker-2 lacks a watchdog, worker-3 is well. */
async function startCluster(context: TestContext): Promise<EmbeddedCluster> {
  const cluster = await startEmbeddedCluster(context);
  const now = new Date().toISOString();
  cluster.server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDConfig",
      metadata: { name: "default" },
      spec: { sbdDevicePVCName: "sbd", sbdTimeoutSeconds: 30, sbdWatchdogPath: "/dev/watchdog" },
      status: { watchdogTimeoutSeconds: 15, boundSeconds: 63 },
    },
    ...NODES.map((nodeName, index) => ({
      apiVersion: API_VERSION,
      kind: "SBDNode",
      metadata: { name: `default-${index + 1}` },
      spec: { configName: "default", nodeName, nodeID: index + 1 },
      status: {
        bootID: BOOT_ID,
        armed: nodeName !== "worker-2",
        lastPassTime: nodeName === "worker-1" ? "2026-01-01T00:00:00Z" : now,
        passLatencyMilliseconds: 3,
        watchdog: {
          identity: "i6300ESB timer",
          ...(nodeName === "worker-2" ? { refusal: "It is held by systemd; unset it." } : {}),
        },
        unhealthyPeers: nodeName === "worker-1" ? [] : [{ nodeID: 1 }],
      },
    })),
  ]);
  return cluster;
}

function run(context: TestContext, cluster: EmbeddedCluster, ...words: string[]) {
  return sbdctl(context, words, cluster.environment(cluster.server.tokenForUser("vera", [])));
}

function fits({ stdout }: Finished): string {
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  return stdout;
}

test("status shows who is protected, and what to do beside what is wrong", async (context) => {
  const cluster = await startCluster(context);
  await cluster.addRequest("req", "worker-1", {
    phase: "FencingInProgress",
    fencing: {
      agent: "worker-3",
      state: "Durable",
      messageDurableTime: new Date().toISOString(),
      boundSeconds: 63,
    },
  });
  const screen = fits(await run(context, cluster, "status"));
  assert.match(screen, /protected +1 of 3/);
  assert.match(screen, /T, W, M +30 s, 15 s, 63 s/);
  assert.match(screen, /! worker-2: It is held by systemd/);
  assert.match(screen, /worker-1 is being fenced \(default\/req\).*by worker-3/);
  assert.match(screen, /\[#*\.+\] silence can prove it in \d+ s/);
  assert.ok(!screen.includes("\u001B"), "no colours in a pipe");

  const { stdout } = await run(context, cluster, "status", "-o", "json");
  const document = JSON.parse(stdout);
  assert.deepEqual(
    document.nodes.map(({ node, state }: Record<string, unknown>) => [node, state]),
    [
      ["worker-1", "silent"],
      ["worker-2", "unarmed"],
      ["worker-3", "protected"],
    ],
  );
  assert.equal(document.nodes[0].seenBy, 0);
  assert.equal(document.requests[0].node, "worker-1");
});

test("a fencing is a check list: each unmet condition with its time, its reading and a remedy", async (context) => {
  const cluster = await startCluster(context);
  const durable = new Date(Date.now() - 5_000).toISOString();
  await cluster.addRequest("req", "worker-1", {
    phase: "FencingInProgress",
    fencing: {
      agent: "worker-3",
      state: "Durable",
      epoch: 4,
      bootID: BOOT_ID,
      messageDurableTime: durable,
      boundSeconds: 63,
      lastPassTime: new Date().toISOString(),
      missing: [
        "NO_LATER_BOOT: no later boot of the machine beats",
        "NO_ACKNOWLEDGEMENT: the target has not acknowledged the message",
        "MSGWAIT: M = T + 2W + slack has not passed since the message",
        "NO_WITNESS: nothing shows that both look at one device",
      ],
    },
  });
  for (const about of ["worker-1", "req", "default/req"]) {
    const { stdout } = await run(context, cluster, "fencing", about, "-o", "json");
    const { rows, outcome, earliestBoundedTime } = JSON.parse(stdout);
    assert.equal(outcome, "open");
    assert.equal(Date.parse(earliestBoundedTime), Date.parse(durable) + 63_000);
    const bounded = rows.find(({ evidence }: { evidence: string }) => evidence === "Bounded");
    assert.deepEqual(
      bounded.unmet.map(({ code, earliestTime }: Record<string, unknown>) => [code, earliestTime]),
      [
        ["MSGWAIT", earliestBoundedTime],
        ["NO_WITNESS", null],
      ],
    );
  }
  const screen = fits(await run(context, cluster, "fencing", "worker-1"));
  assert.match(screen, /\[ \] Rebooted\n +\[ \] NO_LATER_BOOT/);
  assert.match(screen, /MSGWAIT: .*\n(.*\n)? +in \d+ s, at .*; rests on: device, read \d+ s\s+ago/);
  assert.match(screen, /confirm-off worker-1/);
});

test("watching a fencing ends with it, and a failed one is no success", async (context) => {
  const cluster = await startCluster(context);
  const failed = { type: "Succeeded", status: "False", reason: "FencingFailed", message: "no" };
  await cluster.addRequest("req", "worker-1", {
    phase: "Failed",
    message: "it was never armed",
    conditions: [{ ...failed, lastTransitionTime: "2026-01-01T00:00:00Z" }],
  });
  const { code, stdout } = await run(context, cluster, "fencing", "req", "--watch");
  assert.equal(code, 3);
  assert.match(stdout, /NOT PROVEN: it was never armed/);
});

test("what is not there, and a server that is not, answer in JSON too", async (context) => {
  const cluster = await startCluster(context);
  for (const words of [
    ["fencing", "worker-9"],
    ["report", "worker-9"],
  ]) {
    const { code, stdout } = await run(context, cluster, ...words, "-o", "json");
    assert.equal(code, 1);
    assert.equal(JSON.parse(stdout).error.code, "NO_SUCH_REQUEST");
  }
  const nowhere = { KUBECONFIG: join(temporaryDirectory(), "none") };
  const { code, stdout } = await sbdctl(context, ["status", "-o", "json"], nowhere);
  assert.equal(code, 1);
  assert.equal(JSON.parse(stdout).error.code, "API");
});

test("version tells the skew between this program and the agents", async (context) => {
  const cluster = await startCluster(context);
  const { stdout, stderr } = await run(context, cluster, "version", "-o", "json");
  const { client, agents, skew } = JSON.parse(stdout);
  assert.equal(stderr, "");
  assert.match(client, /^\d+\.\d+\.\d+$/);
  assert.deepEqual(agents, [{ version: null, nodes: NODES }]);
  assert.deepEqual(skew, ["3 agents have not told their version"]);
});

test("a report that is no report is not verified, with exit code 3", () => {
  const path = join(temporaryDirectory(), "report.json");
  writeFileSync(path, "{}\n");
  const { status, stdout } = spawnSync(SBDCTL, ["verify", path, "-o", "json"], {
    encoding: "utf8",
  });
  assert.equal(status, 3);
  assert.equal(JSON.parse(stdout).error.code, "NOT_VERIFIED");
});

test("fence makes a request for a node that has a slot, once, and asks before", async (context) => {
  const cluster = await startCluster(context);
  const fay = cluster.environment(cluster.server.tokenForUser("fay", []));
  const asked = await sbdctl(context, ["fence", "worker-2", "--no-wait", "-o", "json"], fay);
  assert.equal(JSON.parse(asked.stdout).error.code, "NOT_CONFIRMED");

  const words = ["fence", "worker-2", "--yes", "--no-wait", "-o", "json"];
  const made = await sbdctl(context, words, fay);
  assert.equal(made.code, 0, made.stdout + made.stderr);
  const { node, outcome, request } = JSON.parse(made.stdout);
  assert.deepEqual([node, outcome, request.namespace], ["worker-2", "open", "sbd-system"]);
  assert.match(request.name, /^worker-2-\w+$/);

  const again = await sbdctl(context, words, fay);
  assert.equal(again.code, 3);
  assert.match(JSON.parse(again.stdout).error.message, /is about node worker-2 already/);
  const unknown = await sbdctl(context, ["fence", "worker-9", "--yes", "-o", "json"], fay);
  assert.match(JSON.parse(unknown.stdout).error.message, /worker-9 has no slot/);
  const viewer = await run(context, cluster, "fence", "worker-3", "--yes", "-o", "json");
  assert.match(JSON.parse(viewer.stdout).error.message, /sbd-ext-remediation/);
});

test("nodes lists every node, also one that nobody can fence", async (context) => {
  const cluster = await startCluster(context);
  cluster.server.objects.load([
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "bare" },
      status: { nodeInfo: { bootID: BOOT_ID }, conditions: [{ type: "Ready", status: "True" }] },
    },
  ]);
  const viewer = fits(await run(context, cluster, "nodes"));
  assert.match(viewer, /NODE +SLOT +STATE/);
  assert.match(viewer, /worker-3 +3 +protected/);
  const admin = cluster.environment(cluster.server.tokenForUser("root", ["system:masters"]));
  const all = await sbdctl(context, ["nodes", "-o", "json"], admin);
  const { nodes } = JSON.parse(all.stdout);
  assert.deepEqual(
    nodes.map(({ node, slot, state, ready }: Record<string, unknown>) => [
      node,
      slot,
      state,
      ready,
    ]),
    [
      ["worker-1", 1, "silent", null],
      ["worker-2", 2, "unarmed", null],
      ["worker-3", 3, "protected", null],
      ["bare", null, "uncovered", "True"],
    ],
  );
  assert.match(nodes[3].todo, /no SBDConfig covers it/);
});

test("clear deletes what was asked for by hand, and nothing of NodeHealthCheck's", async (context) => {
  const cluster = await startCluster(context);
  const fay = cluster.environment(cluster.server.tokenForUser("fay", []));
  const clear = ["clear", "worker-1", "--yes", "-o", "json"];
  const nothing = await sbdctl(context, clear, fay);
  assert.equal(JSON.parse(nothing.stdout).error.code, "NO_SUCH_REQUEST");

  await cluster.addRequest("req", "worker-1", {}, []);
  const asked = await sbdctl(context, ["clear", "worker-1", "-o", "json"], fay);
  assert.equal(JSON.parse(asked.stdout).error.code, "NOT_CONFIRMED");
  const cleared = await sbdctl(context, clear, fay);
  assert.deepEqual(JSON.parse(cleared.stdout), {
    node: "worker-1",
    deleted: ["default/req"],
    gone: true,
    tainted: false,
  });

  await cluster.addRequest("held", "worker-1", {});
  const held = await sbdctl(context, clear, fay);
  assert.equal(JSON.parse(held.stdout).gone, false, "its finalizer is the operator's to take off");

  cluster.server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: {
        name: "nhc",
        namespace: "default",
        ownerReferences: [
          {
            apiVersion: "remediation.medik8s.io/v1alpha1",
            kind: "NodeHealthCheck",
            name: "n",
            uid: "u",
          },
        ],
      },
      spec: { nodeName: "worker-2" },
    },
  ]);
  const refused = await sbdctl(context, ["clear", "worker-2", "--yes", "-o", "json"], fay);
  assert.equal(refused.code, 3);
  assert.match(JSON.parse(refused.stdout).error.message, /NodeHealthCheck's/);
});
