/** What a driver of fencers and slot tasks knows of time. */
export type FencerClock = {
  /** Unslewed, and suspend stops it; ms. */
  rawMs(): number;
  /** For humans alone; Unix ns. */
  wallNs(): bigint;
};
