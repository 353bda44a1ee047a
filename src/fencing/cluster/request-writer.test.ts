import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { API_VERSION } from "../../api/group.ts";
import { REMEDIATION_FINALIZER } from "../../api/remediation-names.ts";
import type { Evidence } from "../evidence.ts";
import type { FencerReport } from "../fencer-report.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { fieldAt, textAt } from "../../kube/kube-object.ts";
import { embeddedClient } from "../../kube/testing/embedded-client.ts";
import { until } from "../../kube/testing/until.ts";
import { startApiServer, type ApiServer } from "../../testing/apiserver/start-api-server.ts";
import { packRecord } from "../shell/packed-record.ts";
import { createRequestWriter, type RequestWriter } from "./request-writer.ts";
import { BOOT_ID } from "../../agent/api/testing/agent-status-for-tests.ts";
import { kubePort } from "../../kube/kube-port.ts";
import { processClock } from "../../kube/process-clock.ts";
import { createTroubleLog } from "../../kube/trouble-log.ts";

const CRDS = fileURLToPath(new URL("../../../deploy/base/crds/", import.meta.url));
const REF = { name: "request", namespace: "default" };
const RECORD = { version: 2, by: "a", clock: { rawMs: 1, wallMs: 2 }, grounds: null } as const;
const EVIDENCE: Evidence = { kind: "Acknowledged", bootID: BOOT_ID, detail: "it said so" };

let server: ApiServer;
let client: KubeClient;
let writer: RequestWriter;
let uid: string;
let declared: string[];
let troubles: string[];

beforeEach(async () => {
  server = await startApiServer();
  for (const file of fs.readdirSync(CRDS)) {
    server.objects.load(fs.readFileSync(join(CRDS, file), "utf8"));
  }
  // Of this test alone, though a writer of the one before may still have something to say.
  const [toldDeclared, toldTroubles]: [string[], string[]] = [[], []];
  declared = toldDeclared;
  troubles = toldTroubles;
  [{ uid = "" } = {}] = server.objects
    .load([
      {
        apiVersion: API_VERSION,
        kind: "SBDRemediation",
        metadata: { ...REF, finalizers: [REMEDIATION_FINALIZER] },
        spec: { nodeName: "worker-1" },
        status: { phase: "Pending", fencing: { agent: "worker-2", nodeID: 1 } },
      },
    ])
    .map(({ metadata }) => metadata);
  client = embeddedClient(server);
  writer = createRequestWriter({
    kube: kubePort(client),
    clock: processClock,
    agent: "worker-2",
    timeoutMs: () => 2_000,
    pack: packRecord,
    refOf: (asked) => (asked === uid ? REF : null),
    cached: ({ name, namespace }) => server.objects.get("sbdremediations", name, namespace),
    onDeclared: (told) => void toldDeclared.push(told),
    log: () => undefined,
    troubles: createTroubleLog((_level, message) => void toldTroubles.push(message)),
  });
});
afterEach(async () => {
  client.close();
  await server.close();
});

function report(changes: Partial<FencerReport> = {}): FencerReport {
  return {
    uid,
    state: "Writing",
    epoch: 1,
    bootID: BOOT_ID,
    machineID: "a".repeat(32),
    durableForMs: null,
    msgwaitMs: 16_000,
    evidence: null,
    missing: [],
    unfencable: null,
    detail: "",
    ...changes,
  };
}

function fencing(field: string): unknown {
  return fieldAt(
    server.objects.get("sbdremediations", "request", "default"),
    "status",
    "fencing",
    field,
  );
}

function rename(agent: string): void {
  server.objects.change(
    "sbdremediations",
    "request",
    (object) => ({
      ...object,
      status: { ...(object["status"] as object), fencing: { agent, nodeID: 1 } },
    }),
    "default",
  );
}

test("a report is written beside what the operator wrote, and again only when it says more", async () => {
  writer.report(report());
  await until("written", () => fencing("state") === "Writing");
  assert.equal(fencing("agent"), "worker-2");
  assert.equal(
    textAt(server.objects.get("sbdremediations", "request", "default"), "status", "phase"),
    "Pending",
  );
  const written = server.log.length;
  await until("free again", () => {
    writer.report(report({ state: "Durable", durableForMs: 0 }));
    return fencing("state") === "Durable";
  });
  writer.report(report({ state: "Durable", durableForMs: 10 }));
  await until("declared", () => {
    writer.declare(uid, EVIDENCE, RECORD);
    return declared.length > 0;
  });
  assert.equal(server.log.length, written + 2);
});

test("a proof is recorded once and confirmed each time it is asked for", async () => {
  writer.declare(uid, EVIDENCE, RECORD);
  await until("declared", () => declared.length > 0);
  assert.equal(textAt(fencing("evidence"), "kind"), "Acknowledged");
  const { version } = server;
  await until("declared again", () => {
    writer.declare(uid, { ...EVIDENCE, kind: "Bounded" }, RECORD);
    return declared.length > 1;
  });
  assert.equal(server.version, version);
  assert.equal(textAt(fencing("evidence"), "kind"), "Acknowledged");
});

test("a fencer that is named no more neither reports nor declares", async () => {
  rename("worker-3");
  const { version } = server;
  writer.declare(uid, EVIDENCE, RECORD);
  // A second exchange for the same request begins after the first has ended.
  const other = createRequestWriter({
    kube: kubePort(client),
    clock: processClock,
    agent: "worker-3",
    timeoutMs: () => 2_000,
    pack: packRecord,
    refOf: () => REF,
    cached: () => undefined,
    onDeclared: () => undefined,
    log: () => undefined,
    troubles: createTroubleLog(() => undefined),
  });
  await until("the named one reports", () => {
    writer.report(report());
    other.report(report({ detail: "mine" }));
    return fencing("reason") === "mine";
  });
  assert.equal(server.version, version + 1);
  assert.deepEqual(declared, []);
  assert.equal(fencing("evidence"), undefined);
});

test("a fencer that is replaced between its read and its write changes nothing", async () => {
  const held = server.faults.add(
    { verbs: ["patch"] },
    { kind: "partition", lost: "requests", afterwards: "deliver" },
  );
  writer.declare(uid, EVIDENCE, RECORD);
  await until("the write is on its way", () => held.hits === 1);
  rename("worker-3");
  held.remove();
  // Delivered before it is answered, and after what was held.
  await client.request({ method: "GET", path: "/version" });
  assert.equal(fencing("evidence"), undefined);
  assert.deepEqual(declared, []);
});

test("an outage is told once, and over when a write has come through", async () => {
  await server.goAway();
  writer.report(report());
  await until("told", () => troubles.length === 1);
  await server.comeBack();
  await until("written", () => {
    writer.report(report());
    return fencing("state") === "Writing";
  });
  await until("told that it is over", () => troubles.length === 2);
  assert.match(troubles[1] ?? "", /works again/);
});
