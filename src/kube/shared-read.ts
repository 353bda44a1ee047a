/**
 * Reads for many at once. Whoever asks shares the next read, which begins after the question; one read
 * is under way at a time. So an answer is never older than its question, and a hundred questions are
 * two reads.
 */
export type SharedRead<Key, Value> = {
  /** @throws what the read has thrown */
  ask(key: Key): Promise<Value>;
};

/** @param read for all that is asked in one go; tells what it has found for each */
export function createSharedRead<Key, Value>(
  read: (keys: ReadonlySet<Key>) => Promise<(key: Key) => Value>,
): SharedRead<Key, Value> {
  let next: { readonly keys: Set<Key>; readonly found: Promise<(key: Key) => Value> } | null = null;
  let last: Promise<unknown> = Promise.resolve();

  async function after(before: Promise<unknown>, keys: Set<Key>): Promise<(key: Key) => Value> {
    await before.catch(() => {});
    // What was asked in the same turn comes along.
    await new Promise(setImmediate);
    next = null;
    return await read(keys);
  }

  return {
    async ask(key) {
      if (next === null) {
        const keys = new Set<Key>();
        next = { keys, found: after(last, keys) };
        last = next.found;
      }
      next.keys.add(key);
      const valueOf = await next.found;
      return valueOf(key);
    },
  };
}
