import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, request as requestTo } from "node:https";
import { ApiError } from "../apiserver/api-error.ts";
import type { Fault, FaultMatch, FaultSubject, Faults } from "../apiserver/faults.ts";
import { meetFaults, sendStatus, takeToken } from "../apiserver/http-front.ts";
import { at, textOf } from "../apiserver/json.ts";
import type { Json, JsonObject } from "../apiserver/json.ts";
import { LoopbackServer } from "../apiserver/loopback-server.ts";
import { readBody } from "../apiserver/request-body.ts";
import type { ResourceRegistry } from "../apiserver/resource-registry.ts";
import { ResponseWriter } from "../apiserver/response-writer.ts";
import { routeOf } from "../apiserver/route.ts";
import type { Route } from "../apiserver/route.ts";
import type { WriteLogEntry } from "../apiserver/write-log.ts";
import type { RunningServer } from "./blocking-client.ts";

/** A user that is no service account: kube-apiserver is told by the front proxy's certificate. */
export interface NamedUser {
  name: string;
  groups: readonly string[];
}

export interface FaultProxyParts {
  server: RunningServer;
  registry: ResourceRegistry;
  faults: Faults<undefined>;
  /** Users by their token; any other token is passed on. */
  users: ReadonlyMap<string, NamedUser>;
  log: (entry: WriteLogEntry) => void;
}

interface OpenWatch {
  subject: FaultSubject;
  end: () => void;
}

const WRITES = ["create", "update", "patch", "delete"] as const;
const HOP_HEADERS = new Set([
  "host",
  "connection",
  "authorization",
  "content-length",
  "keep-alive",
]);

const KEPT_HEADERS = new Set([
  "content-type",
  "cache-control",
  "warning",
  "retry-after",
  "audit-id",
]);

/**
 * Stands before a real API server, on loopback and without TLS, and does to its clients what the faults
 * say. It decides nothing: whoever a token names and whatever may be done is the server's business.
 */
export class FaultProxy extends LoopbackServer {
  readonly #parts: FaultProxyParts;
  readonly #watches = new Set<OpenWatch>();
  readonly #asClient: Agent;
  readonly #asFront: Agent;

  constructor(parts: FaultProxyParts, port: number) {
    super(port, (request, response) => {
      void this.#serve(request, response);
    });
    this.#parts = parts;
    const { ca, frontCert, frontKey } = parts.server;
    const trust = { keepAlive: true, ca: readFileSync(ca) };
    this.#asClient = new Agent(trust);
    this.#asFront = new Agent({
      ...trust,
      cert: readFileSync(frontCert),
      key: readFileSync(frontKey),
    });
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  /** Ends the open watches of some clients, cleanly. */
  closeWatches(match: FaultMatch): number {
    const chosen = [...this.#watches].filter(({ subject }) =>
      this.#parts.faults.isFor(match, subject),
    );
    for (const watch of chosen) watch.end();
    return chosen.length;
  }

  /** Nothing is kept open to the server either. */
  async close(): Promise<void> {
    await this.hangUp();
    this.#asClient.destroy();
    this.#asFront.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => response.destroy());
    try {
      await this.#pass(request, response, await readBody(request));
    } catch (error) {
      sendStatus(
        response,
        error instanceof ApiError ? error : new ApiError(502, "BadGateway", String(error)),
      );
    }
  }

  async #pass(request: IncomingMessage, response: ServerResponse, bytes: Buffer): Promise<void> {
    const { faults } = this.#parts;
    const outage = this.outages;
    const url = new URL(request.url ?? "/", this.url);
    const token = takeToken(url) ?? /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1];
    const route = this.#routeOf(request.method ?? "GET", url);
    const subject = this.#subjectOf(request, token ?? "", route, url);
    const met = await meetFaults(faults, subject, response, () => outage !== this.outages);
    if (met === null) return;
    const { partition, isCut } = met;
    const answer = await this.#forward(request, url, token, bytes, response);
    const isWatch = route?.kind === "resource" && route.verb === "watch";
    if (isWatch && (answer.statusCode ?? 0) < 300) {
      this.#keep(answer, response, subject);
      return;
    }
    const body = await readBody(answer);
    this.#note(route, subject, bytes, answer, body);
    if (partition?.effect.lost === "responses") {
      await partition.removed;
      if (isCut) response.destroy();
    }
    if (faults.take(subject, "dropResponse") !== undefined) response.destroy();
    if (response.destroyed) return;
    response.writeHead(answer.statusCode ?? 502, headersOf(answer, body.length));
    const speed = faults.take(subject, "slow")?.effect.bytesPerSecond;
    const writer = new ResponseWriter(response, () => speed);
    writer.write(body);
    writer.end();
  }

  async #forward(
    request: IncomingMessage,
    url: URL,
    token: string | undefined,
    bytes: Buffer,
    response: ServerResponse,
  ): Promise<IncomingMessage> {
    const { server, users } = this.#parts;
    const user = users.get(token ?? "");
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of Object.entries(request.headers)) {
      if (!HOP_HEADERS.has(name) && value !== undefined) headers[name] = value;
    }
    // What comes back is looked at, and cut.
    headers["accept-encoding"] = "identity";
    if (bytes.length > 0) headers["content-length"] = String(bytes.length);
    if (user !== undefined) {
      headers["x-remote-user"] = user.name;
      headers["x-remote-group"] = [...user.groups, "system:authenticated"];
    } else if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = requestTo(
      new URL(`${url.pathname}${url.search}`, server.url),
      {
        method: request.method ?? "GET",
        agent: user === undefined ? this.#asClient : this.#asFront,
        headers,
      },
      resolve,
    );
    outgoing.on("error", reject);
    response.once("close", () => {
      // A write that was read is carried out, whoever still listens; a watch ends with its client.
      if (request.method === "GET") outgoing.destroy();
    });
    outgoing.end(bytes);
    return promise;
  }

  #keep(answer: IncomingMessage, response: ServerResponse, subject: FaultSubject): void {
    const { faults } = this.#parts;
    response.writeHead(answer.statusCode ?? 200, headersOf(answer, undefined));
    response.flushHeaders();
    const writer = new ResponseWriter(
      response,
      () => faults.peek(subject, "slow")?.effect.bytesPerSecond,
    );
    const queue: Buffer[] = [];
    let isOver = false;
    let doom: Fault<undefined> | undefined;
    const flush = (): void => {
      if (faults.peek(subject, "drop") !== undefined) {
        response.destroy();
        return;
      }
      const partition = faults.peek(subject, "partition");
      if (partition !== undefined) {
        if (partition.effect.afterwards === "cut" && doom === undefined) {
          doom = partition;
          void partition.removed.then(() => response.destroy());
        }
        return;
      }
      if (doom !== undefined) return;
      for (const chunk of queue.splice(0)) writer.write(chunk);
      if (isOver) writer.end();
    };
    const end = (): void => {
      isOver = true;
      flush();
    };
    const watch = { subject, end };
    this.#watches.add(watch);
    const stop = faults.onChange(flush);
    response.once("close", () => {
      stop();
      this.#watches.delete(watch);
    });
    answer.on("data", (chunk: Buffer) => {
      queue.push(chunk);
      flush();
    });
    answer.on("end", end);
    answer.on("error", () => response.destroy());
    flush();
  }

  #routeOf(method: string, url: URL): Route | undefined {
    try {
      return routeOf(method, url, this.#parts.registry);
    } catch {
      return undefined;
    }
  }

  #subjectOf(
    request: IncomingMessage,
    token: string,
    route: Route | undefined,
    url: URL,
  ): FaultSubject {
    const claims = claimsOf(token);
    const user = this.#parts.users.get(token)?.name ?? textOf(claims["sub"]);
    const node = textOf(at(claims, "kubernetes.io", "node", "name"));
    const userAgent = request.headers["user-agent"] ?? "";
    if (route?.kind !== "resource") {
      return { user, node, userAgent, verb: "get", resource: url.pathname, name: "" };
    }
    const { type, subresource, verb, name } = route;
    const resource = subresource === "" ? type.plural : `${type.plural}/${subresource}`;
    return { user, node, userAgent, verb, resource, name };
  }

  #note(
    route: Route | undefined,
    { user, userAgent, resource }: FaultSubject,
    sent: Buffer,
    answer: IncomingMessage,
    body: Buffer,
  ): void {
    if (route?.kind !== "resource" || (answer.statusCode ?? 0) >= 300) return;
    const verb = WRITES.find((write) => write === route.verb);
    if (verb === undefined) return;
    const stored = jsonOf(body);
    // A review is answered, and nothing is written.
    if (verb === "create" && at(stored, "metadata", "resourceVersion") === undefined) return;
    this.#parts.log({
      tMs: Date.now(),
      user,
      userAgent,
      verb,
      resource,
      group: route.type.group,
      namespace: route.namespace,
      name: route.name || textOf(at(stored, "metadata", "name")),
      resourceVersion: textOf(at(stored, "metadata", "resourceVersion")),
      body: jsonOf(sent),
    });
  }
}

function headersOf(answer: IncomingMessage, length: number | undefined): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(answer.headersDistinct)) {
    if (KEPT_HEADERS.has(name) && values !== undefined) headers[name] = values;
  }
  return length === undefined ? headers : { ...headers, "content-length": [String(length)] };
}

/** What a service account's token says, unverified: faults are matched by it, nothing is allowed by it. */
function claimsOf(token: string): JsonObject {
  return jsonOf(Buffer.from(token.split(".")[1] ?? "", "base64url")) as JsonObject;
}

function jsonOf(bytes: Buffer): Json {
  try {
    return JSON.parse(bytes.toString("utf8")) as Json;
  } catch {
    return {};
  }
}
