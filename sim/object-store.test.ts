import assert from "node:assert/strict";
import { test } from "node:test";

import { mergePatch, ObjectStore, type StoredObject } from "./object-store.ts";

type Thing = StoredObject & { readonly size?: number };

function newStore(): ObjectStore<Thing> {
  let version = 0;
  return new ObjectStore<Thing>("thing", {
    nextVersion: () => {
      version += 1;
      return String(version);
    },
    nextUID: (kind) => `${kind}-${version}`,
    wall: () => "2000-01-01T00:00:00.000Z",
  });
}

function targetOf({ metadata }: Thing): { name: string; uid: string; resourceVersion: string } {
  const { name, uid = "", resourceVersion = "" } = metadata;
  return { name, uid, resourceVersion };
}

test("a write decided on an older version, or on another object of that name, changes nothing", () => {
  const store = newStore();
  const first = store.create({ metadata: { name: "a" } });
  assert.ok(first);
  assert.equal(
    store.write(targetOf(first), (object) => ({ ...object, size: 1 })),
    "done",
  );
  assert.equal(
    store.write(targetOf(first), (object) => ({ ...object, size: 2 })),
    "conflict",
  );
  assert.equal(store.get("a")?.size, 1);
  store.remove("a");
  assert.equal(
    store.write(targetOf(first), (object) => object),
    "gone",
  );
  assert.ok(store.create({ metadata: { name: "a" } }));
  assert.equal(
    store.write(targetOf(first), (object) => ({ ...object, size: 3 })),
    "conflict",
  );
  assert.equal(store.create({ metadata: { name: "a" } }), null);
});

test("deletion waits for finalizers, and for a kubelet where there is one", () => {
  const store = newStore();
  store.create({ metadata: { name: "held", finalizers: ["ours"] } });
  store.create({ metadata: { name: "pod" } });
  store.create({ metadata: { name: "free" } });
  store.delete("held");
  store.delete("pod", "confirmed-by-its-kubelet");
  store.delete("free");
  assert.deepEqual(
    store.list().map(({ metadata }) => metadata.name),
    ["held", "pod"],
  );
  store.update("held", (object) => ({
    ...object,
    metadata: { ...object.metadata, finalizers: [] },
  }));
  store.remove("pod");
  assert.deepEqual(store.list(), []);
});

test("a list stays the same array until something changes, and shows what was", () => {
  const store = newStore();
  store.create({ metadata: { name: "a" }, size: 1 });
  const before = store.list();
  assert.equal(store.list(), before);
  store.update("a", (object) => object);
  assert.equal(store.list(), before);
  store.update("a", (object) => ({ ...object, size: 2 }));
  assert.deepEqual([before[0]?.size, store.list()[0]?.size], [1, 2]);
});

test("watchers hear of every change, with what was and what is", () => {
  const store = newStore();
  const heard: (number | undefined | null)[][] = [];
  store.watchers.push((before, now) =>
    heard.push([before === null ? null : before.size, now === null ? null : now.size]),
  );
  store.create({ metadata: { name: "a" }, size: 1 });
  store.update("a", (object) => ({ ...object, size: 2 }));
  store.delete("a");
  assert.deepEqual(heard, [
    [null, 1],
    [1, 2],
    [2, null],
  ]);
});

test("a merge patch removes what is null, replaces lists and goes into objects", () => {
  const before = { a: 1, list: [1, 2], inner: { kept: 1, gone: 2 } };
  const after = mergePatch(before, { a: null, list: [3], inner: { gone: null, made: { x: 1 } } });
  assert.deepEqual(after, { list: [3], inner: { kept: 1, made: { x: 1 } } });
  assert.deepEqual(before.inner, { kept: 1, gone: 2 });
});
