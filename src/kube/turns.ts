/** Lets so many do something at once; the others wait, the urgent ones in front. */
export type Turns = {
  /**
   * Resolves when it is the caller's turn, with what ends it.
   *
   * @throws the reason of the signal, where that comes first
   */
  take(isUrgent: boolean, signal: AbortSignal): Promise<() => void>;
};

type Waiting = { readonly start: () => void };

export function createTurns(atOnce: number): Turns {
  const urgent = new Set<Waiting>();
  const others = new Set<Waiting>();
  let free = atOnce;

  function end(): void {
    free += 1;
    const queue = urgent.size > 0 ? urgent : others;
    const [next] = queue;
    if (next !== undefined) {
      queue.delete(next);
      next.start();
    }
  }

  function begin(): () => void {
    free -= 1;
    let isOver = false;
    return () => {
      if (!isOver) {
        isOver = true;
        end();
      }
    };
  }

  return {
    async take(isUrgent, signal) {
      signal.throwIfAborted();
      if (free > 0) {
        return begin();
      }
      const queue = isUrgent ? urgent : others;
      const { promise, resolve, reject } = Promise.withResolvers<() => void>();
      const giveUp = (): void => {
        queue.delete(waiting);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        start() {
          signal.removeEventListener("abort", giveUp);
          resolve(begin());
        },
      };
      queue.add(waiting);
      signal.addEventListener("abort", giveUp, { once: true });
      return await promise;
    },
  };
}
