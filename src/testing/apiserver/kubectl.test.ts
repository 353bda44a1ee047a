import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { at } from "./json.ts";
import { startApiServer } from "./start-api-server.ts";
import type { ApiServer } from "./start-api-server.ts";

const isMissing = spawnSync("kubectl", ["version", "--client"], { timeout: 30_000 }).status !== 0;
const skip = isMissing ? "no kubectl on this machine; nothing is installed for the test" : false;

let server: ApiServer;
let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "apiserver-kubectl-"));
  server = await startApiServer();
  await writeFile(join(directory, "config"), server.kubeconfig(server.adminToken));
});
after(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

interface Run {
  code: number;
  out: string;
}

function start(args: string[]): ReturnType<typeof spawn> {
  const cache = join(directory, "cache");
  return spawn(
    "kubectl",
    ["--kubeconfig", join(directory, "config"), "--cache-dir", cache, ...args],
    {
      stdio: ["pipe", "pipe", "pipe"],
      timeout: 60_000,
    },
  );
}

async function kubectl(args: string[], input = ""): Promise<Run> {
  const child = start(args);
  let out = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
  }
  child.stdin?.end(input);
  const [code] = (await once(child, "close")) as [number];
  return { code, out };
}

const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.example}
spec:
  group: test.example
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {color: {type: string, description: What it looks like.}}}
`;
const widget =
  "apiVersion: test.example/v1\nkind: Widget\nmetadata: {name: w}\nspec: {color: red}\n";

test("kubectl applies, shows, explains, describes and deletes", { skip }, async () => {
  assert.match((await kubectl(["apply", "-f", "-"], crd)).out, /widgets\.test\.example created/);
  assert.match(
    (await kubectl(["apply", "-f", "-"], widget)).out,
    /widget\.test\.example\/w created/,
  );
  assert.match((await kubectl(["apply", "-f", "-"], widget)).out, /unchanged/);
  const changed = widget.replace("red", "green");
  assert.match((await kubectl(["apply", "-f", "-"], changed)).out, /configured/);
  assert.match((await kubectl(["get", "widgets"])).out, /^NAME +COLOR\s+w +green\s+$/);
  assert.match((await kubectl(["explain", "widgets.spec"])).out, /What it looks like\./);
  assert.match((await kubectl(["describe", "widget", "w"])).out, /Color: +green/);
  const wrong = widget.replace("color", "colour");
  assert.match((await kubectl(["apply", "-f", "-"], wrong)).out, /unknown field "spec\.colour"/);
  assert.equal((await kubectl(["delete", "widget", "w"])).code, 0);
  assert.match((await kubectl(["get", "widgets"])).out, /No resources found/);
});

test("kubectl taints, cordons, labels and patches a node", { skip }, async () => {
  const node = "apiVersion: v1\nkind: Node\nmetadata: {name: node-a}\n";
  await kubectl(["apply", "-f", "-"], node);
  assert.equal((await kubectl(["taint", "node", "node-a", "a=b:NoSchedule"])).code, 0);
  assert.equal((await kubectl(["cordon", "node-a"])).code, 0);
  assert.equal((await kubectl(["label", "node", "node-a", "x=y"])).code, 0);
  assert.equal(
    (await kubectl(["patch", "node", "node-a", "-p", '{"metadata":{"labels":{"z":"1"}}}'])).code,
    0,
  );
  const live = server.objects.get("nodes", "node-a");
  assert.deepEqual(live?.metadata.labels, { x: "y", z: "1" });
  assert.match(
    (await kubectl(["get", "nodes", "-l", "x=y"])).out,
    /node-a +Unknown,SchedulingDisabled/,
  );
  assert.equal(at(live, "spec", "taints", 0, "key"), "a");
});

test("kubectl watches", { skip }, async () => {
  const child = start(["get", "configmaps", "-w"]);
  let out = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    if (out.includes("watched")) resolve();
  });
  const metadata = { name: "watched", namespace: "default" };
  server.objects.load([{ apiVersion: "v1", kind: "ConfigMap", metadata }]);
  await promise;
  assert.match(out, /NAME +DATA +AGE/);
  child.kill();
  await once(child, "close");
});

test("kubectl applies server-side and reports conflicts", { skip }, async () => {
  const map =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: default}\ndata: {a: '1'}\n";
  const apply = ["apply", "--server-side", "-f", "-", "--field-manager"];
  assert.equal((await kubectl([...apply, "one"], map)).code, 0);
  const clash = await kubectl([...apply, "two"], map.replace("'1'", "'2'"));
  assert.notEqual(clash.code, 0);
  assert.match(clash.out, /conflict with "one": \.data\.a/);
});
