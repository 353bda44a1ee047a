import { SBD_NODE } from "../../api/sbd-node.ts";
import { textAt, type KubeObject } from "../../kube/kube-object.ts";
import type { KubeAnswer, KubePort } from "../../kube/kube-port.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";

/** Writes the status of the own SBDNode. */
export type OwnNodeWriter = {
  /**
   * Patches the status, after every write asked for before.
   *
   * @param make the fields of the status, from the object they are written on
   * @param done is told the object after it, or why it was not written as far as this process knows
   */
  write(make: MakeStatus, done: (written: KubeAnswer<KubeObject>) => void): void;
};

export type MakeStatus = (own: KubeObject) => Readonly<Record<string, unknown>>;

type Wish = {
  readonly make: MakeStatus;
  readonly done: (written: KubeAnswer<KubeObject>) => void;
};

const SBD_NODES = resourceTypeOf(SBD_NODE);
const ATTEMPTS_MAX = 3;

/**
 * Every write carries the version it was made for. A write given up may still be on its way: without
 * that, an old `leaving: false` could land over a `leaving: true` by whose word the watchdog has been
 * released, and a running node would be taken for an armed one.
 *
 * @param own name of the SBDNode this agent reports in, or null
 */
export function createOwnNodeWriter(
  kube: KubePort,
  options: {
    readonly nodeName: string;
    readonly own: () => string | null;
    readonly timeoutMs: () => number;
  },
): OwnNodeWriter {
  const { nodeName, own, timeoutMs } = options;
  const waiting: Wish[] = [];
  let known: KubeObject | null = null;
  let busy = false;

  function next(): void {
    const wish = busy ? undefined : waiting.shift();
    if (wish !== undefined) {
      busy = true;
      attempt(wish, 1);
    }
  }

  function end(wish: Wish, written: KubeAnswer<KubeObject>): void {
    busy = false;
    wish.done(written);
    next();
  }

  function fail(wish: Wish, error: string): void {
    end(wish, { ok: false, error });
  }

  function attempt(wish: Wish, tries: number): void {
    const name = own();
    if (name === null) {
      fail(wish, "no SBDNode gives this node the slot it beats in");
      return;
    }
    if (known?.metadata.name === name) {
      patch(wish, known, tries);
      return;
    }
    kube.get(SBD_NODES, { name }, { timeoutMs: timeoutMs() }, (got) => {
      if (!got.ok) {
        end(wish, got);
      } else if (got.reply === null || textAt(got.reply, "spec", "nodeName") !== nodeName) {
        fail(wish, `SBDNode ${name} is gone, or another node's by now`);
      } else {
        patch(wish, got.reply, tries);
      }
    });
  }

  function patch(wish: Wish, base: KubeObject, tries: number): void {
    known = null;
    const within = { timeoutMs: timeoutMs() };
    kube.patchStatus(SBD_NODES, base, wish.make(base), within, (patched) => {
      if (!patched.ok) {
        end(wish, patched);
        return;
      }
      const { reply } = patched;
      if (reply.kind === "done") {
        known = reply.object;
        end(wish, { ok: true, reply: reply.object });
      } else if (reply.kind === "conflict" && tries < ATTEMPTS_MAX) {
        attempt(wish, tries + 1);
      } else {
        fail(wish, `SBDNode ${base.metadata.name} was not written: ${reply.message}`);
      }
    });
  }

  return {
    write(make, done) {
      waiting.push({ make, done });
      next();
    },
  };
}
