/** A wait that did not end in time: what was waited for, and how long. */
export class BoundExceededError extends Error {
  override readonly name = "BoundExceededError";
  readonly code = "BOUND_EXCEEDED";
}

/**
 * The promise's result, or a `BoundExceededError` naming `what` after `boundMs`. The work itself is
 * not stopped; whoever can stop it does so on this error.
 */
export async function bounded<T>(promise: Promise<T>, boundMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new BoundExceededError(`Waited ${Math.round(boundMs)} ms for ${what}, in vain.`));
    }, boundMs);
  });
  try {
    return await Promise.race([promise, bound]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets at least `ms` go by: for scenarios in which "nothing happened for so long" is the finding. */
export async function elapse(ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, ms);
  });
}
