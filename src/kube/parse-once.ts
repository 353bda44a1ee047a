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

/** The same for the lists of a cache: the same array for the same array. */
export function parseEachOnce<T>(
  parse: (object: KubeObject) => readonly T[],
): (objects: readonly KubeObject[]) => readonly T[] {
  const parseObject = parseOnce(parse);
  let last: { readonly objects: readonly KubeObject[]; readonly parsed: readonly T[] } | null =
    null;
  return (objects) => {
    if (last?.objects !== objects) {
      last = { objects, parsed: objects.flatMap((object) => parseObject(object)) };
    }
    return last.parsed;
  };
}
