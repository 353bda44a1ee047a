import type { ApiServer } from "./start-api-server.ts";
import type { JsonObject } from "./json.ts";

/** What came back. */
export interface RestAnswer {
  code: number;
  body: JsonObject;
  headers: Headers;
}

/** How to send a request; the defaults are an administrator's JSON. */
export interface RestOptions {
  token?: string;
  contentType?: string;
  accept?: string;
  userAgent?: string;
  signal?: AbortSignal;
}

/** One event of a watch. */
export interface WatchEvent {
  type: string;
  object: JsonObject;
}

function headersOf(server: ApiServer, options: RestOptions): Record<string, string> {
  return {
    authorization: `Bearer ${options.token ?? server.adminToken}`,
    "content-type": options.contentType ?? "application/json",
    accept: options.accept ?? "application/json",
    "user-agent": options.userAgent ?? "rest-client/1",
  };
}

/** Sends one request to an embedded API server with `fetch`, for tests that want to see raw answers. */
export async function send(
  server: ApiServer,
  method: string,
  path: string,
  body?: unknown,
  options: RestOptions = {},
): Promise<RestAnswer> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: headersOf(server, options),
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type") === "application/json";
  const parsed = isJson && text !== "" ? (JSON.parse(text) as JsonObject) : { text };
  return { code: response.status, body: parsed, headers: response.headers };
}

/** A watch to read event by event; the end of the iteration is the end of the stream. */
export class RestWatch {
  readonly #abort: AbortController;
  readonly #events: AsyncGenerator<WatchEvent, undefined>;

  private constructor(response: Response, abort: AbortController) {
    this.#abort = abort;
    this.#events = linesOf(response);
  }

  /** Opens a watch on a collection's path; resolves when the server has answered. */
  static async open(
    server: ApiServer,
    path: string,
    query: Record<string, string> = {},
    options: RestOptions = {},
  ): Promise<RestWatch> {
    const abort = new AbortController();
    const search = new URLSearchParams({ watch: "true", ...query });
    const response = await fetch(`${server.url}${path}?${search.toString()}`, {
      headers: headersOf(server, options),
      signal: abort.signal,
    });
    return new RestWatch(response, abort);
  }

  /** The next event, or undefined at the end of the stream. */
  async next(): Promise<WatchEvent | undefined> {
    const { value } = await this.#events.next();
    return value;
  }

  /** Ends it from the client's side. */
  close(): void {
    this.#abort.abort();
  }
}

async function* linesOf(response: Response): AsyncGenerator<WatchEvent, undefined> {
  if (response.body === null) return undefined;
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as WatchEvent;
  }
  return undefined;
}
