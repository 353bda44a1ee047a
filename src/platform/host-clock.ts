import { native } from "./native.ts";

/**
 * The clocks of this host, in ms. `livedMs` counts suspended time and is what an agent's deadline is
 * on; `rawMs` does not, and is what a fencer waits by. Neither is slewed nor set by anybody.
 */
export const hostClock = {
  livedMs: (): number => Number(native.livedNs()) / 1e6,
  rawMs: (): number => Number(native.monotonicRawNs()) / 1e6,
  /**
   * One instant on both. A host that was never suspended has one clock, and shows the same time on both;
   * else they are read after each other.
   */
  bothMs(): { readonly livedMs: number; readonly rawMs: number } {
    const before = native.monotonicRawNs();
    const lived = native.livedNs();
    const after = native.monotonicRawNs();
    const isOneClock = before <= lived && lived <= after;
    return { livedMs: Number(lived) / 1e6, rawMs: Number(isOneClock ? lived : after) / 1e6 };
  },
  /** For people only. */
  wallNs: (): bigint => BigInt(Date.now()) * 1_000_000n,
};

/** An instant of `livedMs` as the petter takes it, rounded down: earlier is safe. */
export function toNs(ms: number): bigint {
  return BigInt(Math.floor(ms * 1e6));
}
