import type { ClusterClock } from "./cluster-clock.ts";

export const processClock: ClusterClock = {
  monoMs: () => performance.now(),
  wallMs: () => Date.now(),
};
