import { API_VERSION } from "../api/group.ts";
import type { KubeClient } from "./kube-client.ts";
import type { KubeObject } from "./kube-object.ts";
import { getObject, listObjects, type ObjectList } from "./read-objects.ts";
import { apiVersionOf, type ObjectRef, type ResourceType } from "./resource-type.ts";
import { createSharedRead, type SharedRead } from "./shared-read.ts";
import { patchObject, type WriteOutcome } from "./write-objects.ts";

/** The API server as a driver sees it. Each request is answered once, within a few times its time. */
export type KubePort = {
  /** A consistent GET; null where there is no such object. */
  get(
    type: ResourceType,
    ref: ObjectRef,
    within: KubeLimits,
    answer: (got: KubeAnswer<KubeObject | null>) => void,
  ): void;
  /** A consistent LIST. */
  list(
    type: ResourceType,
    within: KubeLimits,
    answer: (listed: KubeAnswer<ObjectList>) => void,
  ): void;
  /** RFC 7386 on the status, if the object is still the one at that version: else `conflict`. */
  patchStatus(
    type: ResourceType,
    object: KubeObject,
    status: Readonly<Record<string, unknown>>,
    within: KubeLimits,
    answer: (patched: KubeAnswer<WriteOutcome>) => void,
  ): void;
};

export type KubeLimits = { readonly timeoutMs: number };

/** Without an answer a write may have been done, or may yet be. */
export type KubeAnswer<Reply> =
  | { readonly ok: true; readonly reply: Reply }
  | { readonly ok: false; readonly error: string };

/** All objects of a kind as a driver's process last heard of them; never to be judged by. */
export type KubeCache = {
  /** A first list has come. */
  readonly synced: boolean;
  snapshot(): readonly KubeObject[];
  get(name: string, namespace?: string): KubeObject | undefined;
};

/**
 * Over a client. What is read through it, a proof or a permission waits for, so it goes before other
 * requests; and who asks for the same at once shares one read: of fifty requests for one node, two.
 */
export function kubePort(client: KubeClient): KubePort {
  const gets = new Map<string, SharedRead<string, KubeObject | null>>();
  const lists = new Map<string, SharedRead<null, ObjectList>>();
  /** As the last caller has it: all callers of a process have the same. */
  let limits = { timeoutMs: 0, isUrgent: true };

  async function readMany(
    type: ResourceType,
    keys: ReadonlySet<string>,
  ): Promise<(key: string) => KubeObject | null> {
    // Lists of our own kinds are short.
    if (keys.size > 1 && apiVersionOf(type) === API_VERSION) {
      const { items } = await listObjects(client, type, limits);
      const found = new Map(items.map((object) => [keyOf(object.metadata), object]));
      return (key) => found.get(key) ?? null;
    }
    const each = [...keys].map(
      async (key) => [key, await getObject(client, type, refOf(key), limits)] as const,
    );
    const found = new Map(await Promise.all(each));
    return (key) => found.get(key) ?? null;
  }

  return {
    get(type, ref, { timeoutMs }, answer) {
      limits = { timeoutMs, isUrgent: true };
      const shared = madeOnce(gets, type.plural, () =>
        createSharedRead((keys) => readMany(type, keys)),
      );
      void answerWith(shared.ask(keyOf(ref)), answer);
    },
    list(type, { timeoutMs }, answer) {
      limits = { timeoutMs, isUrgent: true };
      const shared = madeOnce(lists, type.plural, () =>
        createSharedRead(async () => {
          const list = await listObjects(client, type, limits);
          return () => list;
        }),
      );
      void answerWith(shared.ask(null), answer);
    },
    patchStatus: patchingStatus(client, { isUrgent: false }),
  };
}

/**
 * Over a client, and each question is a request of its own, made at once and before all others: what keeps
 * a node alive waits for nothing else.
 */
export function urgentKubePort(client: KubeClient): KubePort {
  return {
    get(type, ref, { timeoutMs }, answer) {
      void answerWith(getObject(client, type, ref, { timeoutMs, isUrgent: true }), answer);
    },
    list(type, { timeoutMs }, answer) {
      void answerWith(listObjects(client, type, { timeoutMs, isUrgent: true }), answer);
    },
    patchStatus: patchingStatus(client, { isUrgent: true }),
  };
}

function patchingStatus(
  client: KubeClient,
  { isUrgent }: { readonly isUrgent: boolean },
): KubePort["patchStatus"] {
  return (type, { metadata }, status, { timeoutMs }, answer) => {
    const { name = "", namespace, uid = "", resourceVersion = "" } = metadata;
    const patched = patchObject(
      client,
      type,
      { name, namespace },
      { kind: "merge", body: { status } },
      { subresource: "status", resourceVersion, uid, timeoutMs, isUrgent },
    );
    void answerWith(patched, answer);
  };
}

function madeOnce<Made>(known: Map<string, Made>, key: string, make: () => Made): Made {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made;
}

function keyOf({ namespace = "", name = "" }: Partial<ObjectRef>): string {
  return `${namespace}/${name}`;
}

function refOf(key: string): ObjectRef {
  const [namespace = "", name = ""] = key.split("/");
  return { name, ...(namespace === "" ? {} : { namespace }) };
}

async function answerWith<Reply>(
  pending: Promise<Reply>,
  answer: (told: KubeAnswer<Reply>) => void,
): Promise<void> {
  let told: KubeAnswer<Reply>;
  try {
    told = { ok: true, reply: await pending };
  } catch (error) {
    told = { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
  answer(told);
}
