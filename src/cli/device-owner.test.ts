import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { openSlotDevice } from "../platform/slot-device.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { startApiServer } from "../testing/apiserver/start-api-server.ts";
import { fileDevice } from "./testing/devices.ts";
import { sbdctl } from "./testing/sbdctl.ts";
import { heartbeatOf, messageTo } from "./testing/simulated-agent.ts";

const SHORT = ["--timeout-seconds", "3", "--watchdog-timeout-seconds", "2", "--local-storage"];
const CONFIG_UID = randomUUID();
const BOOT = randomUUID();

/** An API server, the kubeconfig of its administrator, and its kube-system's UID. */
async function cluster(context: TestContext) {
  const server = await startApiServer({ newUid: () => randomUUID() });
  context.after(() => server.close());
  const file = join(temporaryDirectory(), "kubeconfig");
  fs.writeFileSync(file, server.kubeconfig(server.adminToken));
  const uid = server.objects.get("namespaces", "kube-system")?.metadata.uid ?? "";
  return { environment: { KUBECONFIG: file }, uid };
}

/** An entry of a kubeconfig. */
function named(key: string, value: object): object {
  return { name: "a", [key]: value };
}

/** A device with a message to a boot that is over, and to whose cluster it belongs. */
async function device(context: TestContext, clusterUID: string | null) {
  const path = fileDevice();
  const owner =
    clusterUID === null ? [] : ["--config-uid", CONFIG_UID, "--cluster-uid", clusterUID];
  const made = await sbdctl(context, ["device", "init", path, ...SHORT, ...owner]);
  assert.equal(made.code, 0, made.stderr);
  const slots = openSlotDevice(path);
  context.after(() => slots.close());
  slots.readHeader();
  slots.writeHeartbeat(heartbeatOf({ nodeID: 2, nodeName: "node-b", bootID: randomUUID() }));
  slots.writeFence(messageTo(BOOT));
  return { path, slots, before: fs.readFileSync(path) };
}

for (const verb of ["fence", "clear"]) {
  test(`device ${verb} writes nothing on the device of another cluster`, async (context) => {
    const { environment, uid } = await cluster(context);
    const theirs = randomUUID();
    const { path, before } = await device(context, theirs);
    const args = ["device", verb, "node-b", "--device", path, "--yes", "-o", "json"];
    const { code, stderr, stdout } = await sbdctl(context, args, environment);
    assert.equal(code, 3, stderr);
    assert.match(stderr, new RegExp(`belongs to the cluster ${theirs}, not to .*${uid}`));
    assert.match(stderr, new RegExp(`--cluster-uid ${theirs}`));
    assert.equal(JSON.parse(stdout).deviceClusterUid, theirs);
    assert.deepEqual(fs.readFileSync(path), before);
  });

  test(`device ${verb} writes nothing on a device that names no cluster, where there is one`, async (context) => {
    const { environment } = await cluster(context);
    const { path, before } = await device(context, null);
    const args = ["device", verb, "node-b", "--device", path, "--yes"];
    const { code, stderr } = await sbdctl(context, args, environment);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /names no cluster/);
    assert.deepEqual(fs.readFileSync(path), before);
  });

  test(`device ${verb} in a pod of ours holds the device against the pod's cluster, and asks nobody`, async (context) => {
    const { path, before } = await device(context, randomUUID());
    const args = ["device", verb, "node-b", "--device", path, "--yes"];
    const environment = { SBD_CLUSTER_UID: randomUUID(), KUBECONFIG: "/nowhere" };
    const { code, stderr } = await sbdctl(context, args, environment);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /belongs to the cluster/);
    assert.deepEqual(fs.readFileSync(path), before);
  });
}

test("the cluster's own device is written, and so is another's whose UID is given", async (context) => {
  const { environment, uid } = await cluster(context);
  const theirs = randomUUID();
  for (const { owner, more } of [
    { owner: uid, more: [] },
    { owner: theirs, more: ["--cluster-uid", theirs] },
  ]) {
    const { path, slots } = await device(context, owner);
    const args = ["device", "clear", "node-b", "--device", path, "--yes", ...more];
    const { code, stderr } = await sbdctl(context, args, environment);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /whether/);
    assert.equal(slots.readFence(2).kind, "cleared");
  }
});

test("a cluster that does not answer is said, and hinders nobody", async (context) => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  context.after(() => silent.close());
  const { port } = silent.address() as { readonly port: number };
  const file = join(temporaryDirectory(), "kubeconfig");
  fs.writeFileSync(
    file,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "a",
      clusters: [named("cluster", { server: `http://127.0.0.1:${port}` })],
      users: [named("user", { token: "t" })],
      contexts: [named("context", { cluster: "a", user: "a" })],
    }),
  );
  const { path, slots } = await device(context, randomUUID());
  const args = ["device", "clear", "node-b", "--device", path, "--yes"];
  const { code, stderr } = await sbdctl(context, args, { KUBECONFIG: file });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /No cluster says whether .* is its own/);
  assert.equal(slots.readFence(2).kind, "cleared");
});

test("device show shows another cluster's device and says whose it is", async (context) => {
  const { environment, uid } = await cluster(context);
  const theirs = randomUUID();
  const { path } = await device(context, theirs);
  const foreign = await sbdctl(context, ["device", "show", path], environment);
  assert.equal(foreign.code, 0, foreign.stderr);
  assert.match(foreign.stderr, new RegExp(`WARNING: .* belongs to the cluster ${theirs}, not to`));
  assert.match(foreign.stdout, new RegExp(`Cluster UID +${theirs}`));
  const { path: own } = await device(context, uid);
  const shown = await sbdctl(context, ["device", "show", own], environment);
  assert.equal(shown.code, 0, shown.stderr);
  assert.equal(shown.stderr, "");
});
