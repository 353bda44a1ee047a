import { SBD_NODE } from "../../api/sbd-node.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { textAt, type KubeObject } from "../../kube/kube-object.ts";
import { getObject } from "../../kube/read-objects.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";
import { patchObject } from "../../kube/write-objects.ts";

/** Writes the status of the own SBDNode. */
export type OwnNodeWriter = {
  /**
   * Patches the status, after every write asked for before; resolves with the object after it.
   *
   * @param make the fields of the status, from the object they are written on
   * @throws {KubeError} and an Error that says why there is nothing to write on
   */
  write(make: (own: KubeObject) => Readonly<Record<string, unknown>>): Promise<KubeObject>;
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
  client: KubeClient,
  options: {
    readonly nodeName: string;
    readonly own: () => string | null;
    readonly timeoutMs: () => number;
  },
): OwnNodeWriter {
  const { nodeName, own, timeoutMs } = options;
  let known: KubeObject | null = null;
  let last: Promise<unknown> = Promise.resolve();

  async function attempt(
    make: (own: KubeObject) => Readonly<Record<string, unknown>>,
  ): Promise<KubeObject> {
    for (let tries = 1; ; tries += 1) {
      const base = await current();
      known = null;
      const { name = "", uid = "", resourceVersion = "" } = base.metadata;
      const outcome = await patchObject(
        client,
        SBD_NODES,
        { name },
        { kind: "merge", body: { status: make(base) } },
        { subresource: "status", resourceVersion, uid, timeoutMs: timeoutMs(), isUrgent: true },
      );
      if (outcome.kind === "done") {
        known = outcome.object;
        return outcome.object;
      }
      if (outcome.kind !== "conflict" || tries >= ATTEMPTS_MAX) {
        throw new Error(`SBDNode ${name} was not written: ${outcome.message}`);
      }
    }
  }

  async function current(): Promise<KubeObject> {
    const name = own();
    if (name === null) {
      throw new Error("no SBDNode gives this node the slot it beats in");
    }
    if (known?.metadata.name === name) {
      return known;
    }
    const found = await getObject(
      client,
      SBD_NODES,
      { name },
      { timeoutMs: timeoutMs(), isUrgent: true },
    );
    if (found === null || textAt(found, "spec", "nodeName") !== nodeName) {
      throw new Error(`SBDNode ${name} is gone, or another node's by now`);
    }
    return found;
  }

  return {
    async write(make) {
      const writing = after(last, () => attempt(make));
      last = writing;
      return await writing;
    },
  };
}

async function after<T>(before: Promise<unknown>, work: () => Promise<T>): Promise<T> {
  try {
    await before;
  } catch {
    // Told to whoever asked for it.
  }
  return await work();
}
