import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { createKubeClient } from "../kube/kube-client.ts";
import { loadUserKubeConfig } from "../kube/kube-config.ts";
import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import { kubeconfigFor } from "../testing/apiserver/kubeconfig.ts";
import { gatherLogs } from "./must-gather.ts";
import { runInPod } from "./pod-commands.ts";
import { redactedObject, withoutSecrets } from "./redaction.ts";
import { tarArchive } from "./tar-archive.ts";
import { startEmbeddedCluster } from "./testing/embedded-cluster.ts";
import { sbdctl } from "./testing/sbdctl.ts";

/** Of the official client, and without types. */
const { WebSocketServer } = createRequire(import.meta.url)("ws") as {
  readonly WebSocketServer: new (options: object) => {
    on(
      event: "connection",
      heard: (socket: { send(data: Buffer): void }, request: IncomingMessage) => void,
    ): void;
    removeAllListeners(event: "connection"): void;
    close(): void;
  };
};
const JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";

test("tar reads the archive, also of long paths", () => {
  const long = `${"d".repeat(90)}/${"f".repeat(90)}`;
  const path = join(temporaryDirectory(), "a.tar.gz");
  const files = [
    { path: "x/empty", content: new Uint8Array() },
    { path: long, content: Buffer.from("long") },
    { path: "x/block", content: Buffer.alloc(512, "b") },
  ];
  writeFileSync(path, tarArchive(files, 0));
  const listed = execFileSync("tar", ["-tzf", path], { encoding: "utf8" });
  assert.deepEqual(listed.trim().split("\n"), ["x/empty", long, "x/block"]);
  assert.equal(execFileSync("tar", ["-xzOf", path, long], { encoding: "utf8" }), "long");
  assert.throws(
    () => tarArchive([{ path: "p".repeat(300), content: new Uint8Array() }], 0),
    RangeError,
  );
});

test("credentials are left out of objects and logs, and nothing else is", () => {
  assert.equal(
    withoutSecrets(`sent Authorization: Bearer abc.def and ${JWT}`),
    "sent Authorization: Bearer <left out> and <left out>",
  );
  assert.equal(withoutSecrets("T = 30 s, token bucket full"), "T = 30 s, token bucket full");
  assert.deepEqual(
    redactedObject({
      metadata: {
        name: "p",
        managedFields: [1],
        annotations: { a: "b", "kubectl.kubernetes.io/last-applied-configuration": "{}" },
      },
      env: [
        { name: "DB_PASSWORD", value: "hunter2" },
        { name: "SBD_DEVICE_PATH", value: "/dev/sbd-watchdog" },
      ],
      message: `used ${JWT}`,
    }),
    {
      metadata: { name: "p", annotations: { a: "b" } },
      env: [
        { name: "DB_PASSWORD", value: "<left out>" },
        { name: "SBD_DEVICE_PATH", value: "/dev/sbd-watchdog" },
      ],
      message: "used <left out>",
    },
  );
});

async function listening(context: TestContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const path = join(temporaryDirectory(), "kubeconfig");
  writeFileSync(
    path,
    kubeconfigFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "t"),
  );
  return path;
}

test("logs are taken of this run and of the one before, and a refused one is named", async (context) => {
  const server = createServer((request, response) => {
    const isPrevious = request.url?.includes("previous=true") === true;
    response.statusCode = request.url?.includes("container=gone") === true ? 400 : 200;
    response.end(isPrevious ? "before\n" : `now ${JWT}\nlater\n`);
  });
  const KUBECONFIG = await listening(context, server);
  const client = createKubeClient(await loadUserKubeConfig({ KUBECONFIG }, null), "test");
  context.after(() => client.close());
  const gathering = { files: [], missing: [] };
  await gatherLogs(client, gathering, {
    metadata: { name: "p", namespace: "sbd-system" },
    spec: { containers: [{ name: "main" }, { name: "gone" }] },
    status: { containerStatuses: [{ name: "main", restartCount: 1 }] },
  });
  assert.deepEqual(
    gathering.files.map(({ path, content }) => [path, String(content)]),
    [
      ["sbd-must-gather/logs/p/main.log", "now <left out>\nlater\n"],
      ["sbd-must-gather/logs/p/main.previous.log", "before\n"],
    ],
  );
  assert.equal(gathering.missing.length, 1);
});

test("a command in a pod is run as kubectl exec does, and a pod out of reach is an answer", async (context) => {
  const server = createServer();
  const sockets = new WebSocketServer({ server, handleProtocols: () => "v4.channel.k8s.io" });
  context.after(() => sockets.close());
  let asked = "";
  sockets.on("connection", (socket, request) => {
    asked = request.url ?? "";
    // The first byte is the channel: 1 standard output, 3 the status that ends it.
    socket.send(Buffer.from("\u0001{}"));
    socket.send(Buffer.from(`\u0003${JSON.stringify({ status: "Success" })}`));
  });
  const before = process.env["KUBECONFIG"];
  process.env["KUBECONFIG"] = await listening(context, server);
  context.after(() => {
    if (before === undefined) delete process.env["KUBECONFIG"];
    else process.env["KUBECONFIG"] = before;
  });
  const place = { namespace: "sbd-system", pod: "a", container: "sbd-agent" };
  assert.deepEqual(await runInPod(null, place, ["sbdctl", "doctor"], 5_000), {
    stdout: "{}",
    stderr: "",
  });
  assert.match(asked, /\/namespaces\/sbd-system\/pods\/a\/exec\?.*command=sbdctl&command=doctor/);
  sockets.removeAllListeners("connection");
  assert.equal(await runInPod(null, place, ["sbdctl"], 100), "no end within 0.1 s");
});

test("must-gather writes one archive of a whole cluster", async (context) => {
  const cluster = await startEmbeddedCluster(context);
  cluster.addNode("worker-1", 1);
  await cluster.addRequest("req", "worker-1", { phase: "Pending" });
  const folder = temporaryDirectory();
  const archive = join(folder, "a.tar.gz");
  const root = cluster.environment(cluster.server.tokenForUser("root", ["system:masters"]));
  const gathered = await sbdctl(context, ["must-gather", "--archive", archive, "-o", "json"], root);
  assert.equal(gathered.code, 0, gathered.stdout + gathered.stderr);
  execFileSync("tar", ["-xzf", archive, "-C", folder]);
  const read = (path: string): string =>
    readFileSync(join(folder, "sbd-must-gather", path), "utf8");
  assert.match(read("objects/default/sbdremediations/req.yaml"), /phase: Pending/);
  assert.match(read("objects/cluster/sbdnodes/default-1.yaml"), /nodeName: worker-1/);
  assert.equal(JSON.parse(read("nodes.json")).nodes[0].node, "worker-1");
  assert.equal(read("missing.txt"), "");
});
