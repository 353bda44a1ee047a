import type { KubeObject } from "./kube-object.ts";

/** Parses each object when it is first asked for, and remembers: caches hold objects unparsed. */
export function parseOnce<T>(parse: (object: KubeObject) => T): (object: KubeObject) => T {
  const known = new WeakMap<KubeObject, T>();
  return (object) => {
    const found = known.get(object);
    if (found !== undefined) return found;
    const parsed = parse(object);
    known.set(object, parsed);
    return parsed;
  };
}
