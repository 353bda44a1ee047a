import { WebSocket } from "undici";

import { createConnections } from "../kube/connections.ts";
import { loadUserKubeConfig } from "../kube/kube-config.ts";
import { objectPath, PODS } from "../kube/resource-type.ts";

/** What a command in a pod said; a sentence where it did not come to its end. */
export type PodCommandResult = { readonly stdout: string; readonly stderr: string } | string;

const BYTES_MAX = 16 << 20;
const PROTOCOL = "v4.channel.k8s.io";
/** Channels of that protocol: the first byte of each message; the last one ends the command. */
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;

/**
 * Runs a command in a container, as `kubectl exec` does. What stands in the way is an answer: of a lost
 * node there is none, and that is worth to know.
 * Source: k8s.io/apimachinery/pkg/util/remotecommand.
 */
export async function runInPod(
  context: string | null,
  place: { readonly namespace: string; readonly pod: string; readonly container: string },
  words: readonly string[],
  withinMs: number,
): Promise<PodCommandResult> {
  const access = await loadUserKubeConfig(process.env, context);
  const { tls, headers } = await access.credentials();
  const connections = createConnections(access);
  try {
    const url = new URL(access.server);
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    url.pathname =
      access.server.pathname.replace(/\/$/, "") +
      `${objectPath(PODS, { namespace: place.namespace, name: place.pod })}/exec`;
    url.search = new URLSearchParams([
      ["container", place.container],
      ["stdout", "true"],
      ["stderr", "true"],
      ...words.map((word): [string, string] => ["command", word]),
    ]).toString();
    const dispatcher = connections.over(tls, "stream");
    const socket = new WebSocket(url, { protocols: PROTOCOL, headers: { ...headers }, dispatcher });
    return await collect(socket, withinMs);
  } finally {
    connections.close();
  }
}

async function collect(socket: WebSocket, withinMs: number): Promise<PodCommandResult> {
  const { promise, resolve } = Promise.withResolvers<PodCommandResult>();
  const chunks: Record<number, Buffer[]> = { [STDOUT]: [], [STDERR]: [] };
  let bytes = 0;
  const timer = setTimeout(() => resolve(`no end within ${withinMs / 1_000} s`), withinMs);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => {
    const message = Buffer.from(data as ArrayBuffer);
    const [channel = 0] = message;
    bytes += message.length;
    if (channel === STATUS)
      resolve({ stdout: textOf(chunks[STDOUT]), stderr: textOf(chunks[STDERR]) });
    else if (bytes <= BYTES_MAX) chunks[channel]?.push(message.subarray(1));
  });
  socket.addEventListener("error", ({ message }) => resolve(message || "the connection failed"));
  socket.addEventListener("close", () => resolve("the connection ended before the command did"));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

function textOf(chunks: readonly Buffer[] = []): string {
  return Buffer.concat(chunks).toString("utf8");
}
