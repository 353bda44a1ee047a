import type { KubeClient } from "./kube-client.ts";
import type { KubeObject } from "./kube-object.ts";
import { getObject, listObjects, type ObjectList } from "./read-objects.ts";
import type { ObjectRef, ResourceType } from "./resource-type.ts";
import { patchObject, type WriteOutcome } from "./write-objects.ts";

/** The API server as a driver sees it. Each request is answered once, and within its time. */
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

export function kubePort(client: KubeClient): KubePort {
  return {
    get(type, ref, within, answer) {
      void answerWith(getObject(client, type, ref, within), answer);
    },
    list(type, within, answer) {
      void answerWith(listObjects(client, type, within), answer);
    },
    patchStatus(type, { metadata }, status, { timeoutMs }, answer) {
      const { name = "", namespace, uid = "", resourceVersion = "" } = metadata;
      const patched = patchObject(
        client,
        type,
        { name, namespace },
        { kind: "merge", body: { status } },
        { subresource: "status", resourceVersion, uid, timeoutMs },
      );
      void answerWith(patched, answer);
    },
  };
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
