import type { SBDNode } from "../src/api/sbd-node.ts";
import type { KubeObject } from "../src/kube/kube-object.ts";
import { targetOf } from "../src/operator/action.ts";
import type { ApiStore } from "./api-store.ts";
import { mergePatch } from "./object-store.ts";

/** A request to the API server by one process; null where no answer came in time. */
export type Call = <Answer>(act: () => Answer, hear: (answer: Answer | null) => void) => void;

type Wish = {
  readonly make: (own: KubeObject) => Readonly<Record<string, unknown>>;
  readonly done: (own: SBDNode | null) => void;
};

const ATTEMPTS_MAX = 3;

/** src/agent/api/own-node-writer.ts in virtual time: one write after another, each on the version it was made for. */
export class OwnNodeWriter {
  readonly #api: ApiStore;
  readonly #call: Call;
  readonly #own: () => SBDNode | null;
  #known: SBDNode | null = null;
  #queue: Wish[] = [];
  #busy = false;

  /** @param own the SBDNode that this agent reports in, as its cache has it */
  constructor(api: ApiStore, call: Call, own: () => SBDNode | null) {
    this.#api = api;
    this.#call = call;
    this.#own = own;
  }

  /** @param done gets null where it was not written, as far as this process knows */
  write(make: Wish["make"], done: Wish["done"]): void {
    this.#queue.push({ make, done });
    this.#next();
  }

  #next(): void {
    const wish = this.#queue[0];
    if (wish !== undefined && !this.#busy) {
      this.#busy = true;
      this.#queue = this.#queue.slice(1);
      this.#attempt(wish, 1);
    }
  }

  #attempt(wish: Wish, tries: number): void {
    const own = this.#own();
    if (own === null) {
      this.#end(wish, null);
      return;
    }
    const { name } = own.metadata;
    if (this.#known?.metadata.name === name) {
      this.#patch(wish, this.#known, tries);
      return;
    }
    this.#call(
      () => this.#api.sbdNodes.get(name),
      (found) => {
        if (found === null || found.spec.nodeName !== own.spec.nodeName) {
          this.#end(wish, null);
        } else {
          this.#patch(wish, found, tries);
        }
      },
    );
  }

  #patch(wish: Wish, base: SBDNode, tries: number): void {
    this.#known = null;
    const patch = wish.make(base as unknown as KubeObject);
    this.#call(
      () => {
        const outcome = this.#api.sbdNodes.write(targetOf(base), (object) => ({
          ...object,
          status: mergePatch(object.status, patch),
        }));
        return { outcome, object: this.#api.sbdNodes.get(base.metadata.name) };
      },
      (reply) => {
        if (reply?.outcome === "done") {
          this.#known = reply.object;
          this.#end(wish, reply.object);
        } else if (reply?.outcome === "conflict" && tries < ATTEMPTS_MAX) {
          this.#attempt(wish, tries + 1);
        } else {
          this.#end(wish, null);
        }
      },
    );
  }

  #end({ done }: Wish, own: SBDNode | null): void {
    this.#busy = false;
    done(own);
    this.#next();
  }
}
