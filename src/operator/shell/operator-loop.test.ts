import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { API_VERSION } from "../../api/group.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { fieldAt, listAt, textAt } from "../../kube/kube-object.ts";
import { embeddedClient } from "../../kube/testing/embedded-client.ts";
import { until } from "../../kube/testing/until.ts";
import { startApiServer, type ApiServer } from "../../testing/apiserver/start-api-server.ts";
import { runOperatorLoop, type OperatorLoop } from "./operator-loop.ts";

const CRDS = fileURLToPath(new URL("../../../deploy/base/crds/", import.meta.url));
const NODES = ["worker-1", "worker-2", "worker-3", "worker-4", "worker-5"] as const;
const BEAT_MS = 500;

type LogLine = { readonly message: string; readonly fields: Readonly<Record<string, unknown>> };

let server: ApiServer;
let client: KubeClient | null = null;
let loop: OperatorLoop | null = null;
let beating: NodeJS.Timeout;
let log: LogLine[];

beforeEach(async () => {
  server = await startApiServer();
  for (const file of fs.readdirSync(CRDS)) {
    server.objects.load(fs.readFileSync(join(CRDS, file), "utf8"));
  }
  server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDConfig",
      metadata: { name: "default" },
      spec: {
        sbdDevicePVCName: "sbd-device",
        sbdWatchdogPath: "/dev/watchdog",
        sbdTimeoutSeconds: 10,
        watchdogTimeoutSeconds: 5,
      },
    },
    ...NODES.map((name) => ({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { "kubernetes.io/os": "linux" } },
      status: { conditions: [{ type: "Ready", status: "True" }] },
    })),
  ]);
  client = embeddedClient(server, { userAgent: "sbd-operator" });
  log = [];
  loop = runOperatorLoop(client, {
    place: { namespace: "default", agentImage: "sbd-agent:test" },
    recordEvent: () => undefined,
    log: (_level, message, fields = {}) => void log.push({ message, fields }),
  });
  loop.lead();
  await until("every node has a slot", () => server.objects.list("sbdnodes").length === 5);
  beating = setInterval(beat, BEAT_MS);
});
afterEach(async () => {
  clearInterval(beating);
  loop?.close();
  client?.close();
  await server.close();
});

/** Agents that live report a good pass. */
function beat(): void {
  for (const { metadata } of server.objects.list("sbdnodes")) {
    server.objects.change("sbdnodes", metadata.name ?? "", (node) => ({
      ...node,
      status: {
        ...(node["status"] as object | undefined),
        armed: true,
        lastPassTime: new Date().toISOString(),
      },
    }));
  }
}

function request(name: string, nodeName: string): void {
  server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: { name, namespace: "default" },
      spec: { nodeName },
    },
  ]);
}

function fencer(name: string): string {
  return textAt(
    server.objects.get("sbdremediations", name, "default"),
    "status",
    "fencing",
    "agent",
  );
}

test("PATCH of one node answers 500: another node's request is tainted and given a fencer", async () => {
  const fault = server.faults.add(
    { verbs: ["patch"], resources: ["nodes"], names: ["worker-1"] },
    { kind: "error", code: 500 },
  );
  request("a", "worker-1");
  request("b", "worker-2");
  await until("somebody is named for worker-2", () => fencer("b") !== "");
  assert.notDeepEqual(listAt(server.objects.get("nodes", "worker-2"), "spec", "taints"), []);
  await until("worker-1 was tried again", () => fault.hits > 2);
  assert.equal(fencer("a"), "");
  const failures = log.filter(({ fields }) => fields["request"] === "default/a");
  assert.equal(failures.length, 1);
  assert.equal(fieldAt(failures[0]?.fields, "node"), "worker-1");
  assert.match(textAt(failures[0]?.fields, "err"), /500/);
  fault.remove();
  await until("somebody is named for worker-1", () => fencer("a") !== "");
});

test("a server that does not answer for one node holds up no other", async () => {
  const fault = server.faults.add(
    { verbs: ["patch"], resources: ["nodes"], names: ["worker-1"] },
    { kind: "partition", lost: "requests", afterwards: "cut" },
  );
  request("a", "worker-1");
  request("b", "worker-2");
  await until("somebody is named for worker-2", () => fencer("b") !== "");
  assert.equal(fencer("a"), "");
  fault.remove();
});
