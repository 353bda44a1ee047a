import type { KubeAnswer, KubeLimits, KubePort } from "../src/kube/kube-port.ts";
import type { KubeObject } from "../src/kube/kube-object.ts";
import type { ApiStore } from "./api-store.ts";
import { mergePatch, type ObjectStore, type StoredObject } from "./object-store.ts";

/** Who asks, and over which network. */
export type KubeCaller = {
  readonly api: ApiStore;
  /** Asked when a request arrives, and again when its answer does. */
  readonly reaches: () => boolean;
  /** Runs what hears an answer, once its process gets to it. */
  readonly whenRunning: (hear: () => void) => void;
};

/** The simulated API server, as drivers ask for it. */
export function kubePort({ api, reaches, whenRunning }: KubeCaller): KubePort {
  const stores: Readonly<Record<string, ObjectStore<StoredObject>>> = {
    nodes: api.nodes,
    sbdconfigs: api.configs,
    sbdnodes: api.sbdNodes,
    sbdremediations: api.remediations,
  } as never;

  function storeOf({ plural }: { readonly plural: string }): ObjectStore<StoredObject> {
    const store = stores[plural];
    if (store === undefined) {
      throw new Error(`The simulated API server keeps no ${plural} for agents`);
    }
    return store;
  }

  /** What was sent arrives, whatever has become of the process since. */
  function call<Reply>(
    act: () => Reply,
    { timeoutMs }: KubeLimits,
    answer: (told: KubeAnswer<Reply>) => void,
  ): void {
    api.call(
      { reaches, timeoutMs },
      () => ({ reply: act() }),
      (told) =>
        whenRunning(() =>
          answer(
            told === null
              ? { ok: false, error: "no answer in time" }
              : { ok: true, reply: told.reply },
          ),
        ),
    );
  }

  return {
    get(type, { name }, within, answer) {
      call(() => storeOf(type).get(name) as KubeObject | null, within, answer);
    },
    list(type, within, answer) {
      const list = () => ({
        items: storeOf(type).list() as readonly KubeObject[],
        resourceVersion: api.resourceVersion,
      });
      call(list, within, answer);
    },
    patchStatus(type, { metadata }, status, within, answer) {
      const { name = "", uid = "", resourceVersion = "" } = metadata;
      const patch = () => {
        const store = storeOf(type);
        const outcome = store.write({ name, uid, resourceVersion }, (object) =>
          mergePatch(object, { status }),
        );
        const object = store.get(name) as KubeObject | null;
        return outcome === "done" && object !== null
          ? ({ kind: "done", object } as const)
          : outcome === "conflict"
            ? ({ kind: "conflict", message: "another version is there" } as const)
            : ({ kind: "not-found", message: "it is gone" } as const);
      };
      call(patch, within, answer);
    },
  };
}
