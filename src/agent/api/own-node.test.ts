import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { API_VERSION } from "../../api/group.ts";
import { REMEDIATION_FINALIZER } from "../../api/remediation-names.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { fieldAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import { embeddedClient } from "../../kube/testing/embedded-client.ts";
import { startApiServer, type ApiServer } from "../../testing/apiserver/start-api-server.ts";
import { isRealServer } from "../../testing/kube-apiserver/is-real-server.ts";
import { urgentKubePort, type KubeAnswer } from "../../kube/kube-port.ts";
import { createOwnNodeWriter, type MakeStatus } from "./own-node-writer.ts";
import { BOOT_ID, OTHER_BOOT_ID } from "./testing/agent-status-for-tests.ts";
import { countOpenRequests, isOlder } from "./vouching.ts";

const CRDS = fileURLToPath(new URL("../../../deploy/base/crds/", import.meta.url));
/** Short, since one test waits for it; a real server's first answer takes as long by itself. */
const LIMIT_MS = isRealServer() ? 2_000 : 300;
const CLIENT = "api-process";
const OWN = { nodeName: "worker-1", own: () => "config-1", timeoutMs: () => LIMIT_MS };

let server: ApiServer;
let client: KubeClient;
let write: Write;

beforeEach(async () => {
  server = await startApiServer();
  for (const file of fs.readdirSync(CRDS)) {
    server.objects.load(fs.readFileSync(join(CRDS, file), "utf8"));
  }
  server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDNode",
      metadata: { name: "config-1" },
      spec: { configName: "config", nodeName: "worker-1", nodeID: 1 },
    },
  ]);
  client = embeddedClient(server, { userAgent: CLIENT });
  write = writerOf(client);
});
afterEach(async () => {
  client.close();
  await server.close();
});

type Write = (make: MakeStatus) => Promise<KubeObject>;

function writerOf(of: KubeClient): Write {
  const writer = createOwnNodeWriter(urgentKubePort(of), OWN);
  return async (make) => await told((done) => writer.write(make, done));
}

async function told<Reply>(
  ask: (done: (answer: KubeAnswer<Reply>) => void) => void,
): Promise<Reply> {
  const answer = await new Promise<KubeAnswer<Reply>>(ask);
  if (!answer.ok) throw new Error(answer.error);
  return answer.reply;
}

function status(field: string): unknown {
  return fieldAt(server.objects.get("sbdnodes", "config-1"), "status", field);
}

function request(
  name: string,
  nodeName: string,
  more: Readonly<Record<string, unknown>> = {},
): void {
  server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: { name, namespace: "default", finalizers: [REMEDIATION_FINALIZER] },
      spec: { nodeName },
      ...more,
    },
  ]);
}

async function vouchOnce(): Promise<number> {
  const own = await write(() => ({ leaving: false, lastVouchTime: "2026-01-01T00:00:00Z" }));
  const asking = { nodeName: "worker-1", bootID: BOOT_ID, timeoutMs: LIMIT_MS };
  return await told((answer) => countOpenRequests(urgentKubePort(client), own, asking, answer));
}

test("writes come one after the other, each on what the one before left", async () => {
  await Promise.all([
    write(() => ({ startID: "first", message: "kept" })),
    write((own) => ({ startID: `${textAt(own, "status", "startID")} second` })),
  ]);
  assert.equal(status("startID"), "first second");
  assert.equal(status("message"), "kept");
});

test("what the operator writes meanwhile is left alone", async () => {
  await write(() => ({ armed: true }));
  server.objects.change("sbdnodes", "config-1", (object) => ({
    ...object,
    status: { ...(object["status"] as object), conditions: [] },
  }));
  await write(() => ({ armed: false }));
  assert.equal(status("armed"), false);
  assert.deepEqual(status("conditions"), []);
});

test("a write that was given up does not land over a later one, another process's included", async () => {
  await write(() => ({ leaving: false }));
  const held = server.faults.add(
    { verbs: ["patch"], userAgent: CLIENT },
    { kind: "partition", lost: "requests", afterwards: "deliver" },
  );
  await assert.rejects(
    write(() => ({ leaving: false })),
    /no answer within/,
  );
  const successor = embeddedClient(server, { userAgent: "successor" });
  const later = writerOf(successor);
  await later(() => ({ leaving: true }));
  held.remove();
  // Delivered before it is answered, and after what was held.
  await client.request({ method: "GET", path: "/version" });
  assert.equal(status("leaving"), true);
  assert.equal(held.hits, 1);
  successor.close();
});

test("an SBDNode that is gone, or another node's by now, is not written", async () => {
  server.objects.delete("sbdnodes", "config-1");
  await assert.rejects(
    write(() => ({})),
    /config-1 is gone/,
  );
  server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDNode",
      metadata: { name: "config-1" },
      spec: { configName: "config", nodeName: "worker-9", nodeID: 1 },
    },
  ]);
  await assert.rejects(
    write(() => ({})),
    /another node's by now/,
  );
});

test("a vouching read patches the own SBDNode and counts the open requests of all namespaces", async () => {
  assert.equal(await vouchOnce(), 0);
  const first = status("lastVouchTime");
  assert.match(String(first), /^20/);
  request("other", "worker-2");
  assert.equal(await vouchOnce(), 0);
  request("mine", "worker-1");
  assert.equal(await vouchOnce(), 1);
});

test("a request proven about an earlier boot does not condemn this one", async () => {
  const evidence = {
    kind: "Rebooted",
    time: "2026-01-01T00:00:00Z",
    bootID: OTHER_BOOT_ID,
    detail: "",
  };
  request("mine", "worker-1", { status: { fencing: { agent: "worker-2", evidence } } });
  assert.equal(await vouchOnce(), 0);
});

const skip = isRealServer() ? "kube-apiserver's cache is behind when it is, not when told" : false;

test("a stale cache does not vouch", { skip }, async () => {
  server.faults.add({}, { kind: "stale" });
  request("mine", "worker-1");
  assert.equal(await vouchOnce(), 1);
});

test("no vouch without the patch, without the list, or with a list from before the patch", async () => {
  server.faults.add({ verbs: ["patch"] }, { kind: "error", code: 503 }, 1);
  await assert.rejects(vouchOnce(), /503/);
  server.faults.add({ verbs: ["list"] }, { kind: "error", code: 403 }, 1);
  await assert.rejects(vouchOnce(), /403/);
  server.faults.add(
    { verbs: ["list"] },
    { kind: "partition", lost: "responses", afterwards: "cut" },
  );
  await assert.rejects(vouchOnce(), /no answer within/);
});

test("versions are compared as numbers, and what is no number counts as older", () => {
  assert.ok(isOlder("99", "100"));
  assert.ok(!isOlder("100", "99"));
  assert.ok(!isOlder("100", "100"));
  assert.ok(isOlder("a", "1"));
  assert.ok(isOlder("1", ""));
});
