import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { API_VERSION } from "../../api/group.ts";
import { REMEDIATION_FINALIZER, REMEDIATION_TAINT_KEY } from "../../api/remediation-names.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { fieldAt, listAt } from "../../kube/kube-object.ts";
import { embeddedClient } from "../../kube/testing/embedded-client.ts";
import { startApiServer, type ApiServer } from "../../testing/apiserver/start-api-server.ts";
import type { Target } from "../action.ts";
import { createActionExecutor, type ActionExecutor } from "./action-executor.ts";

const CRDS = fileURLToPath(new URL("../../../deploy/base/crds/", import.meta.url));
const TAINT = { key: REMEDIATION_TAINT_KEY, effect: "NoExecute" };

let server: ApiServer;
let client: KubeClient;
let executor: ActionExecutor;

beforeEach(async () => {
  server = await startApiServer();
  for (const file of fs.readdirSync(CRDS)) {
    server.objects.load(fs.readFileSync(join(CRDS, file), "utf8"));
  }
  server.objects.load([
    { apiVersion: "v1", kind: "Node", metadata: { name: "worker-1" }, spec: { taints: [TAINT] } },
  ]);
  client = embeddedClient(server, { userAgent: "sbd-operator" });
  executor = createActionExecutor(client);
});
afterEach(async () => {
  client.close();
  await server.close();
});

function target(): Target {
  const { metadata } = server.objects.get("nodes", "worker-1") as {
    readonly metadata: { readonly uid: string; readonly resourceVersion: string };
  };
  return { name: "worker-1", uid: metadata.uid, resourceVersion: metadata.resourceVersion };
}

function taints(): readonly unknown[] {
  return listAt(server.objects.get("nodes", "worker-1"), "spec", "taints");
}

test("taints that nobody asks for any more go", async () => {
  const outcome = await executor.execute({
    type: "release-taints",
    target: target(),
    lowering: null,
    taints: [],
  });
  assert.equal(outcome.kind, "done");
  assert.deepEqual(taints(), []);
});

test("a request that the leader has not seen keeps the taints of its node", async () => {
  server.objects.load([
    {
      apiVersion: API_VERSION,
      kind: "SBDRemediation",
      metadata: { name: "req", namespace: "default", finalizers: [REMEDIATION_FINALIZER] },
      spec: { nodeName: "worker-1" },
    },
  ]);
  const outcome = await executor.execute({
    type: "release-taints",
    target: target(),
    lowering: null,
    taints: [],
  });
  assert.equal(outcome.kind === "failed" && outcome.code, "CONFLICT");
  assert.equal(fieldAt(taints()[0], "effect"), "NoExecute");
});

async function lower(): Promise<string> {
  const action = {
    type: "release-taints",
    target: target(),
    lowering: "own",
    taints: [],
  } as const;
  return (await executor.execute(action)).kind;
}

const ended = (status: "True" | "False") => ({
  conditions: [
    {
      type: "Succeeded",
      status,
      reason: "FencingFailed",
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    },
  ],
});

test("NoExecute is lowered for a request that failed, unless another one still needs it", async () => {
  const load = (name: string, uid: string, status: ReturnType<typeof ended>): void => {
    server.objects.load([
      {
        apiVersion: API_VERSION,
        kind: "SBDRemediation",
        metadata: { name, uid, namespace: "default", finalizers: [REMEDIATION_FINALIZER] },
        spec: { nodeName: "worker-1" },
        status,
      },
    ]);
  };
  load("own", "own", ended("False"));
  load("failed-too", "failed-too", ended("False"));
  load("proven", "proven", ended("True"));
  assert.equal(await lower(), "failed");
  const reference = ["sbdremediations.medik8s.io", "proven"] as const;
  server.objects.change(
    ...reference,
    (request) => ({ ...request, status: ended("False") }),
    "default",
  );
  assert.equal(await lower(), "done");
});
