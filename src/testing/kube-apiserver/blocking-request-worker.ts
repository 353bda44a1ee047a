/** Sends one request after another and wakes whoever waits for its answer; see blocking-client.ts. */
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { workerData } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import type { BlockingRequest, BlockingWorkerData } from "./blocking-client.ts";

const { port, signal, server } = workerData as BlockingWorkerData & { port: MessagePort };
const flag = new Int32Array(signal);
const agent = new Agent({
  keepAlive: true,
  ca: readFileSync(server.ca),
  cert: readFileSync(server.adminCert),
  key: readFileSync(server.adminKey),
});

port.on("message", ({ method, path, body, contentType, as }: BlockingRequest) => {
  const headers = {
    "content-type": contentType,
    accept: "application/json",
    // Node gives none to a DELETE.
    "content-length": Buffer.byteLength(body ?? ""),
    ...(as === undefined ? {} : { "impersonate-user": as, "impersonate-group": "system:masters" }),
  };
  const outgoing = request(new URL(path, server.url), { method, agent, headers }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () =>
      answer(response.statusCode ?? 0, Buffer.concat(chunks).toString("utf8")),
    );
    response.on("error", (error) => answer(0, String(error)));
  });
  outgoing.on("error", (error) => answer(0, String(error)));
  outgoing.end(body);
});

function answer(code: number, text: string): void {
  port.postMessage({ code, text });
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
}
