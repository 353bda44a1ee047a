import http from "node:http";
import https from "node:https";

import type { KubeConfig } from "@kubernetes/client-node";

import { codeOfStatus, KubeError } from "./kube-error.ts";

export type Query = Readonly<Record<string, string>>;

export type KubeRequest = {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From the server's root, `/api/v1/nodes`. */
  readonly path: string;
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
} & RequestLimits;

export type RequestLimits = {
  /** For the whole exchange; `REQUEST_TIMEOUT_MS` where left out. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

/** The JSON lines of a watch. */
export type LineStream = {
  readonly lines: AsyncIterable<string>;
  close(): void;
};

export type KubeClient = {
  /**
   * One exchange. No retries: only the caller knows whether asking again is right.
   *
   * @throws {KubeError} for any answer but a success
   */
  request(request: KubeRequest): Promise<unknown>;
  /**
   * Opens a stream; it ends with the server's end, and fails with `TIMEOUT` when nothing came for
   * `silenceMs`, with `UNREACHABLE` when it was cut.
   *
   * @throws {KubeError}
   */
  stream(
    path: string,
    query: Query,
    limits: RequestLimits & { readonly silenceMs: number },
  ): Promise<LineStream>;
  /** Lets go of idle connections. */
  close(): void;
};

export const REQUEST_TIMEOUT_MS = 10_000;
/** An answer beyond this is none of ours: 5000 nodes are about 60 MB. */
const ANSWER_BYTES_MAX = 256 << 20;
const ERROR_TEXT_MAX = 1_000;
const IDLE_CONNECTIONS_MAX = 4;

/**
 * The API server over HTTP/1.1. The official client knows kubeconfigs, certificates and tokens, and
 * is asked for them before each request, so that a rotated token counts. Its requests are not used:
 * version 2.0.1 opens a TLS connection for each, and decodes what nobody looks at.
 */
export function createKubeClient(config: KubeConfig, userAgent: string): KubeClient {
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new TypeError("Cannot make a client as the kubeconfig has no current cluster");
  }
  const server = new URL(cluster.server);
  const isPlain = server.protocol === "http:";
  const proxied = cluster.proxyUrl !== undefined && cluster.proxyUrl !== "";
  const settings = { keepAlive: true, maxFreeSockets: IDLE_CONNECTIONS_MAX };
  const agent = isPlain ? new http.Agent(settings) : new https.Agent(settings);

  async function open(
    request: KubeRequest,
    onTimeout: { readonly signal: AbortSignal },
  ): Promise<http.IncomingMessage> {
    const options: https.RequestOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    const url = new URL(server);
    url.pathname = `${server.pathname.replace(/\/$/, "")}${request.path}`;
    url.search = new URLSearchParams(request.query).toString();
    const text = request.body === undefined ? undefined : JSON.stringify(request.body);
    options.method = request.method;
    options.agent = proxied ? (options.agent as https.Agent) : agent;
    options.signal = onTimeout.signal;
    options.headers = {
      ...(options.headers as http.OutgoingHttpHeaders),
      accept: "application/json",
      "user-agent": userAgent,
      ...(text === undefined
        ? {}
        : {
            "content-type": request.contentType ?? "application/json",
            "content-length": Buffer.byteLength(text),
          }),
    };
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const sent = (isPlain ? http : https).request(url, options, resolve);
    sent.on("error", reject);
    sent.end(text);
    return await promise;
  }

  /** Others may have gone the same way as the one that failed, and would each cost a timeout. */
  function dropIdle(): void {
    for (const socket of Object.values(agent.freeSockets).flat()) {
      socket?.destroy();
    }
  }

  function failure(error: unknown, request: KubeRequest, limits: Limits): KubeError {
    dropIdle();
    return asKubeError(error, request, limits);
  }

  return {
    async request(request) {
      const limits = startLimits(request);
      try {
        const response = await open(request, limits);
        const text = await readAll(response);
        const status = response.statusCode ?? 0;
        if (status < 200 || status > 299) {
          throw refusal(status, response.headers, text, request);
        }
        return parse(text, request);
      } catch (error) {
        throw error instanceof KubeError ? error : failure(error, request, limits);
      } finally {
        limits.end();
      }
    },
    async stream(path, query, { silenceMs, ...rest }) {
      const request: KubeRequest = { method: "GET", path, query, ...rest };
      const limits = startLimits(request);
      try {
        const response = await open(request, limits);
        const status = response.statusCode ?? 0;
        if (status !== 200) {
          throw refusal(status, response.headers, await readAll(response), request);
        }
        limits.restart(silenceMs);
        const lines = linesOf(response, () => limits.restart(silenceMs));
        return {
          lines: guarded(
            lines,
            (error) => failure(error, request, limits),
            () => limits.end(),
          ),
          close() {
            limits.end();
            response.destroy();
          },
        };
      } catch (error) {
        limits.end();
        throw error instanceof KubeError ? error : failure(error, request, limits);
      }
    },
    close() {
      agent.destroy();
    },
  };
}

type Limits = {
  readonly signal: AbortSignal;
  readonly timedOut: boolean;
  readonly timeoutMs: number;
  restart(timeoutMs: number): void;
  end(): void;
};

function startLimits({ timeoutMs = REQUEST_TIMEOUT_MS, signal }: RequestLimits): Limits {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let timedOut = false;
  let current = timeoutMs;
  let timer: NodeJS.Timeout | undefined;
  const restart = (ms: number): void => {
    clearTimeout(timer);
    current = ms;
    timer = setTimeout(() => {
      timedOut = true;
      abort();
    }, ms);
  };
  restart(timeoutMs);
  if (signal?.aborted === true) {
    abort();
  }
  signal?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    get timedOut() {
      return timedOut;
    },
    get timeoutMs() {
      return current;
    },
    restart,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    },
  };
}

async function readAll(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new KubeError("BAD_ANSWER", `The API server's answer is longer than ${bytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* linesOf(
  response: http.IncomingMessage,
  onData: () => void,
): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    onData();
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > ANSWER_BYTES_MAX) {
      throw new KubeError(
        "BAD_ANSWER",
        `A line of a watch is longer than ${rest.length} characters`,
      );
    }
    for (const line of lines) {
      if (line !== "") yield line;
    }
  }
  return undefined;
}

async function* guarded(
  lines: AsyncIterable<string>,
  failure: (error: unknown) => KubeError,
  end: () => void,
): AsyncGenerator<string, undefined> {
  try {
    for await (const line of lines) yield line;
  } catch (error) {
    throw error instanceof KubeError ? error : failure(error);
  } finally {
    end();
  }
  return undefined;
}

function asKubeError(error: unknown, { method, path }: KubeRequest, limits: Limits): KubeError {
  const what = `${method} ${path}`;
  if (limits.timedOut) {
    return new KubeError("TIMEOUT", `${what}: no answer within ${limits.timeoutMs} ms`, {
      cause: error,
    });
  }
  if (limits.signal.aborted) {
    return new KubeError("ABORTED", `${what}: given up`, { cause: error });
  }
  const why = error instanceof Error ? error.message || error.name : String(error);
  return new KubeError("UNREACHABLE", `${what}: ${why}`, { cause: error });
}

function refusal(
  status: number,
  headers: http.IncomingHttpHeaders,
  text: string,
  { method, path }: KubeRequest,
): KubeError {
  const seconds = Number(headers["retry-after"]);
  return new KubeError(codeOfStatus(status), `${method} ${path}: ${status} ${messageIn(text)}`, {
    status,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : null,
  });
}

/** The message of a metav1.Status, else what there is. */
function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    if (typeof message === "string") return message;
  } catch {
    // A proxy in between answers in HTML.
  }
  return text.slice(0, ERROR_TEXT_MAX);
}

function parse(text: string, { method, path }: KubeRequest): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KubeError("BAD_ANSWER", `${method} ${path}: the answer is not JSON`, { cause });
  }
}
