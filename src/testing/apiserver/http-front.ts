import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError } from "./api-error.ts";
import type { Fault, FaultEffect, FaultMatch, FaultSubject, Faults } from "./faults.ts";
import { tokenPath } from "./kubeconfig.ts";
import { LoopbackServer } from "./loopback-server.ts";
import { internalError } from "./object-writer.ts";
import { mediaTypeOf, parseBody, readBody } from "./request-body.ts";
import { RequestHandler, mayImpersonate } from "./request-handler.ts";
import type { Answer, ApiRequest } from "./request-handler.ts";
import { ResponseWriter } from "./response-writer.ts";
import { routeOf } from "./route.ts";
import type { ServerParts } from "./server-parts.ts";
import type { User } from "./user.ts";
import type { WatchStream } from "./watch-stream.ts";

/** The HTTP side: authentication, faults, outages. */
export class HttpFront extends LoopbackServer {
  readonly #parts: ServerParts;
  readonly #handler: RequestHandler;
  readonly #watches = new Set<WatchStream>();

  constructor(parts: ServerParts, port: number) {
    super(port, (request, response) => {
      void this.#serve(request, response);
    });
    this.#parts = parts;
    this.#handler = new RequestHandler(parts);
  }

  /** Ends the open watches of some clients, cleanly. */
  closeWatches(match: FaultMatch): number {
    const chosen = [...this.#watches].filter(({ subject }) =>
      this.#parts.faults.isFor(match, subject),
    );
    for (const watch of chosen) watch.end();
    return chosen.length;
  }

  /** How many watches are open. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /** Sends a bookmark on every watch that takes them. */
  sendBookmarks(): void {
    for (const watch of this.#watches) watch.bookmark();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that goes away takes nothing with it: a write already read is carried out.
    request.on("error", () => response.destroy());
    try {
      const bytes = await readBody(request);
      await this.#answer(request, response, bytes);
    } catch (error) {
      const status = error instanceof ApiError ? error : internalError(error);
      sendStatus(response, status);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, bytes: Buffer): Promise<void> {
    const { faults } = this.#parts;
    const outage = this.outages;
    const userAgent = request.headers["user-agent"] ?? "";
    const url = new URL(request.url ?? "/", this.url);
    const token = takeToken(url);
    const user = this.#userOf(request, token === undefined ? undefined : `Bearer ${token}`);
    const route = routeOf(request.method ?? "GET", url, this.#parts.registry);
    const subject = subjectOf(user, userAgent, route);
    const met = await meetFaults(faults, subject, response, () => outage !== this.outages);
    if (met === null) return;
    const { partition, isCut } = met;
    const mediaType = mediaTypeOf(request);
    const apiRequest: ApiRequest = {
      url,
      route,
      user,
      userAgent,
      accept: request.headers.accept ?? "",
      mediaType,
      body: parseBody(bytes, mediaType),
      subject,
    };
    const answer = this.#attempt(apiRequest, response);
    if (answer.kind === "watch") {
      this.#keep(answer.stream, response);
      return;
    }
    if (partition?.effect.lost === "responses") {
      await partition.removed;
      if (isCut) response.destroy();
    }
    if (faults.take(subject, "dropResponse") !== undefined) response.destroy();
    if (response.destroyed) return;
    const speed = faults.take(subject, "slow")?.effect.bytesPerSecond;
    send(response, answer, request.method === "HEAD", speed);
  }

  /** A refusal is an answer like another: a partition may hold it back too. */
  #attempt(request: ApiRequest, response: ServerResponse): Answer {
    try {
      return this.#handler.handle(request, response);
    } catch (error) {
      const status = error instanceof ApiError ? error : internalError(error);
      return { kind: "json", code: status.code, body: status.toStatus(), warnings: [] };
    }
  }

  #userOf(request: IncomingMessage, fromPath: string | undefined): User {
    const user = this.#parts.tokens.authenticate(request.headers.authorization ?? fromPath);
    const name = request.headers["impersonate-user"];
    if (typeof name !== "string") return user;
    if (!mayImpersonate(user)) {
      throw new ApiError(403, "Forbidden", `User "${user.name}" cannot impersonate users`);
    }
    const groups = request.headers["impersonate-group"];
    const given = typeof groups === "string" ? groups.split(",").map((group) => group.trim()) : [];
    return { name, uid: "", groups: [...given, "system:authenticated"], extra: {} };
  }

  #keep(stream: WatchStream, response: ServerResponse): void {
    this.#watches.add(stream);
    response.once("close", () => this.#watches.delete(stream));
  }
}

/** Takes a token out of a path, in place. */
export function takeToken(url: URL): string | undefined {
  if (!url.pathname.startsWith(tokenPath)) return undefined;
  const rest = url.pathname.slice(tokenPath.length);
  const [token = ""] = rest.split("/", 1);
  url.pathname = rest.slice(token.length) || "/";
  return token;
}

function subjectOf(user: User, userAgent: string, route: ReturnType<typeof routeOf>): FaultSubject {
  const node = user.extra["authentication.kubernetes.io/node-name"]?.[0] ?? "";
  if (route.kind === "document") {
    return { user: user.name, node, userAgent, verb: "get", resource: route.path, name: "" };
  }
  const { type, subresource, verb, name } = route;
  const resource = subresource === "" ? type.plural : `${type.plural}/${subresource}`;
  return { user: user.name, node, userAgent, verb, resource, name };
}

/** The partition that a request is in, if any, and whether its end cuts the connection. */
type MetFaults = {
  readonly partition: (Fault & { effect: Extract<FaultEffect, { kind: "partition" }> }) | undefined;
  readonly isCut: boolean;
};

/**
 * What faults do to a request before it is looked at; null where that was its end.
 *
 * @param isOver whether the server has gone away since the request came
 */
export async function meetFaults(
  faults: Pick<Faults<unknown>, "take">,
  subject: FaultSubject,
  response: ServerResponse,
  isOver: () => boolean,
): Promise<MetFaults | null> {
  if (faults.take(subject, "drop") !== undefined) {
    response.destroy();
    return null;
  }
  const delay = faults.take(subject, "delay");
  if (delay !== undefined) await pause(delay.effect.ms);
  const partition = faults.take(subject, "partition");
  const isCut = partition?.effect.afterwards === "cut";
  if (partition?.effect.lost === "requests") {
    await partition.removed;
    if (isCut || isOver()) {
      response.destroy();
      return null;
    }
  }
  const refused = faults.take(subject, "error");
  if (refused !== undefined) {
    sendStatus(response, injected(refused.effect.code));
    return null;
  }
  return isOver() ? null : { partition, isCut };
}

/** Waits. */
async function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  await promise;
}

/** The answer of an `error` fault. */
function injected(code: number): ApiError {
  if (code === 429) {
    const details = { retryAfterSeconds: 1 };
    return new ApiError(
      429,
      "TooManyRequests",
      "too many requests, please try again later",
      details,
    );
  }
  const reason = code === 500 ? "InternalError" : code === 503 ? "ServiceUnavailable" : "Unknown";
  return new ApiError(code, reason, `injected fault: HTTP ${code}`);
}

/** Answers with a refusal, or cuts the connection where an answer has begun. */
export function sendStatus(response: ServerResponse, status: ApiError): void {
  if (response.destroyed || response.headersSent) {
    response.destroy();
    return;
  }
  if (status.code === 429) response.setHeader("retry-after", "1");
  const body = status.toStatus();
  send(response, { kind: "json", code: status.code, body, warnings: [] }, false, undefined);
}

function send(
  response: ServerResponse,
  answer: Exclude<Answer, { kind: "watch" }>,
  isHead: boolean,
  bytesPerSecond: number | undefined,
): void {
  const isJson = answer.kind === "json";
  const text = isJson ? `${JSON.stringify(answer.body)}\n` : answer.text;
  response.statusCode = answer.code;
  response.setHeader("content-type", isJson ? "application/json" : "text/plain; charset=utf-8");
  response.setHeader("cache-control", "no-cache, private");
  if (isJson && answer.warnings.length > 0) {
    const lines = answer.warnings.map((warning) => `299 - ${JSON.stringify(asciiOf(warning))}`);
    response.setHeader("warning", lines);
  }
  const writer = new ResponseWriter(response, () => bytesPerSecond);
  if (!isHead) writer.write(text);
  writer.end();
}

/** Headers carry no line breaks and nothing beyond Latin-1. */
function asciiOf(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, " ");
}
