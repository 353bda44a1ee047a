import fs from "node:fs";
import { join } from "node:path";

import { describeErrno } from "./errno.ts";
import { native } from "./native.ts";

/** What the kernel said to a wish that the agent can live without. */
export type WishOutcome =
  | { readonly kind: "granted" }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Keeps this process's memory from being paged out, now and for what it maps later, without making
 * resident what it has reserved and not touched.
 */
export function lockMemory(): WishOutcome {
  const result = native.mlockallOnFault();
  if (result === 0) return { kind: "granted" };
  return {
    kind: "refused",
    reason:
      `mlockall: ${describeErrno(result)}; under memory pressure this process may wait for the ` +
      `disk. Give the container CAP_IPC_LOCK or a memlock limit.`,
  };
}

/**
 * How readily the kernel kills a process when memory runs out: -1000 never, 1000 first.
 * Source: man 5 proc_pid_oom_score_adj.
 *
 * @throws RangeError unless the score is an integer of -1000 to 1000
 */
export function setOomScoreAdjustment(score: number, processDirectory = "/proc/self"): WishOutcome {
  if (!Number.isInteger(score) || score < -1000 || score > 1000) {
    throw new RangeError(
      `Cannot set oom_score_adj as it must be an integer of -1000 to 1000: current value is ${score}`,
    );
  }
  const path = join(processDirectory, "oom_score_adj");
  try {
    fs.writeFileSync(path, `${score}`);
    return { kind: "granted" };
  } catch (error) {
    return {
      kind: "refused",
      reason: `${path}: ${String(error)}; give the container CAP_SYS_RESOURCE`,
    };
  }
}
