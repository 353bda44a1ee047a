import { MessageChannel, Worker, receiveMessageOnPort } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import type { JsonObject } from "../apiserver/json.ts";

/** A kube-apiserver that runs, as `SBD_KUBE_APISERVER` names it: a file of this. Paths are of PEM files. */
export interface RunningServer {
  /** `https://127.0.0.1:<port>`. */
  url: string;
  version: string;
  ca: string;
  /** Of system:masters. */
  adminCert: string;
  adminKey: string;
  /** Of the front proxy, which may say who a request is from. */
  frontCert: string;
  frontKey: string;
}

export interface BlockingRequest {
  method: string;
  path: string;
  body: string | undefined;
  contentType: string;
  /** A user to act as, with all rights: policies go by the name. */
  as: string | undefined;
}

export interface BlockingWorkerData {
  signal: SharedArrayBuffer;
  server: RunningServer;
}

/** An answer: HTTP code and JSON. */
export interface BlockingAnswer {
  code: number;
  body: JsonObject;
}

const WITHIN_MS = 30_000;

/**
 * Requests of an administrator that block the caller until the answer is there, so that a test reads and
 * writes a real API server as it does the embedded one: in one statement.
 */
export class BlockingClient {
  readonly #signal = new SharedArrayBuffer(4);
  readonly #worker: Worker;
  readonly #port: MessagePort;

  constructor(server: RunningServer) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(new URL("blocking-request-worker.ts", import.meta.url), {
      workerData: { port: port2, signal: this.#signal, server },
      transferList: [port2],
    });
    this.#worker.unref();
    this.#port.unref();
  }

  /** @throws {Error} where no answer comes */
  request(
    method: string,
    path: string,
    body?: unknown,
    contentType = "application/json",
    as?: string,
  ): BlockingAnswer {
    const flag = new Int32Array(this.#signal);
    Atomics.store(flag, 0, 0);
    const text = body === undefined ? undefined : JSON.stringify(body);
    this.#port.postMessage({ method, path, body: text, contentType, as } satisfies BlockingRequest);
    Atomics.wait(flag, 0, 0, WITHIN_MS);
    const answer = receiveMessageOnPort(this.#port)?.message as
      | { code: number; text: string }
      | undefined;
    if (answer === undefined || answer.code === 0) {
      throw new Error(`${method} ${path}: no answer from kube-apiserver: ${answer?.text ?? ""}`);
    }
    return { code: answer.code, body: parsed(answer.text) };
  }

  async close(): Promise<void> {
    this.#port.close();
    await this.#worker.terminate();
  }
}

function parsed(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return { text };
  }
}
