import type { Dispatcher } from "undici";

import { createConnections, REQUESTS_AT_ONCE } from "./connections.ts";
import type { KubeAccess } from "./kube-access.ts";
import { codeOfStatus, KubeError } from "./kube-error.ts";
import { createTurns } from "./turns.ts";

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
  /**
   * For the whole exchange, from when its turn has come; `REQUEST_TIMEOUT_MS` where left out. Whoever
   * waits for a turn waits for exchanges with a deadline each.
   */
  readonly timeoutMs?: number;
  /** Goes before all that waits for its turn and is not: a node's life or a proof depends on it. */
  readonly isUrgent?: boolean;
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

/** The API server over a bounded number of connections that are kept alive, and one more a watch. */
export function createKubeClient(access: KubeAccess, userAgent: string): KubeClient {
  const connections = createConnections(access);
  const turns = createTurns(REQUESTS_AT_ONCE);
  const root = access.server.pathname.replace(/\/$/, "");

  async function open(
    request: KubeRequest,
    limits: Limits,
    use: "request" | "stream",
  ): Promise<Dispatcher.ResponseData> {
    const { tls, headers } = await access.credentials();
    const query = new URLSearchParams(request.query).toString();
    const response = await connections.over(tls, use).request({
      origin: access.server.origin,
      method: request.method,
      path: `${root}${request.path}${query === "" ? "" : `?${query}`}`,
      headers: {
        ...headers,
        accept: "application/json",
        "user-agent": userAgent,
        ...(request.body === undefined
          ? {}
          : { "content-type": request.contentType ?? "application/json" }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      signal: limits.signal,
    });
    connections.answered();
    return response;
  }

  function failure(error: unknown, request: KubeRequest, limits: Limits): KubeError {
    if (limits.timedOut) connections.distrust(limits.startedMs);
    return error instanceof KubeError ? error : asKubeError(error, request, limits);
  }

  async function exchange(request: KubeRequest): Promise<unknown> {
    const limits = startLimits(request);
    try {
      const response = await open(request, limits, "request");
      const text = await readAll(response);
      const status = response.statusCode;
      if (status < 200 || status > 299) {
        throw refusal(response, text, request);
      }
      return parse(text, request);
    } catch (error) {
      throw failure(error, request, limits);
    } finally {
      limits.end();
    }
  }

  return {
    async request(request) {
      const { isUrgent = false, signal = NEVER } = request;
      let done: () => void;
      try {
        done = await turns.take(isUrgent, signal);
      } catch (cause) {
        throw new KubeError("ABORTED", `${request.method} ${request.path}: given up`, { cause });
      }
      try {
        return await exchange(request);
      } finally {
        done();
      }
    },
    async stream(path, query, { silenceMs, ...rest }) {
      const request: KubeRequest = { method: "GET", path, query, ...rest };
      const limits = startLimits(request);
      try {
        const response = await open(request, limits, "stream");
        if (response.statusCode !== 200) {
          throw refusal(response, await readAll(response), request);
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
            response.body.on("error", () => {}).destroy();
          },
        };
      } catch (error) {
        limits.end();
        throw failure(error, request, limits);
      }
    },
    close() {
      connections.close();
    },
  };
}

const NEVER = new AbortController().signal;

type Limits = {
  readonly signal: AbortSignal;
  readonly timedOut: boolean;
  readonly timeoutMs: number;
  readonly startedMs: number;
  restart(timeoutMs: number): void;
  end(): void;
};

function startLimits({ timeoutMs = REQUEST_TIMEOUT_MS, signal }: RequestLimits): Limits {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let timedOut = false;
  let current = timeoutMs;
  let startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const restart = (ms: number): void => {
    clearTimeout(timer);
    current = ms;
    startedMs = performance.now();
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
    get startedMs() {
      return startedMs;
    },
    restart,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    },
  };
}

async function readAll({ body }: Dispatcher.ResponseData): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new KubeError("BAD_ANSWER", `The API server's answer is longer than ${bytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* linesOf(
  { body }: Dispatcher.ResponseData,
  onData: () => void,
): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body as AsyncIterable<Buffer>) {
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
  { statusCode: status, headers }: Dispatcher.ResponseData,
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
