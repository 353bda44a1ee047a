import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";

import { describeErrno } from "./errno.ts";
import { native } from "./native.ts";

/** What the kernel said to a wish that the agent can live without. */
export type WishOutcome =
  | { readonly kind: "granted" }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Keeps the petter and every mapped file (program, libraries, addon) from being paged out, so that a
 * dead system disk cannot stop this process. What is loaded later is not covered, and neither is the
 * JavaScript heap: it goes to swap at worst, and V8 aborts the process over locked pages of its
 * own, which is what mlockall makes of them.
 */
export function lockMemory(): WishOutcome {
  const petter = native.petterLockMemory();
  if (petter < 0) return refusedLock(petter);
  for (const { start, lengthBytes } of mappedFiles()) {
    const result = native.mlockOnFault(start, lengthBytes);
    if (result < 0) return refusedLock(result);
  }
  return { kind: "granted" };
}

function refusedLock(errno: number): WishOutcome {
  return {
    kind: "refused",
    reason:
      `mlock: ${describeErrno(errno)}; under memory pressure this process may wait for the ` +
      `system disk. Give the container CAP_IPC_LOCK.`,
  };
}

type Mapping = { readonly start: bigint; readonly lengthBytes: number };

/** Lines are "start-end permissions offset device inode path"; man 5 proc_pid_maps. */
function mappedFiles(): Mapping[] {
  const lines = fs.readFileSync("/proc/self/maps", "utf8").split("\n");
  return lines.flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ ([1-9]\d*) +\//.exec(line);
    if (match === null) return [];
    const start = BigInt(`0x${match[1]}`);
    return [{ start, lengthBytes: Number(BigInt(`0x${match[2]}`) - start) }];
  });
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

/**
 * Goes before everything that is not real-time, for this thread and all that it starts from now on:
 * a node whose processors are overbooked must not miss its passes. -20 first, 19 last; man 2 setpriority.
 */
export function setNiceness(niceness: number): WishOutcome {
  try {
    os.setPriority(niceness);
    return { kind: "granted" };
  } catch (error) {
    return {
      kind: "refused",
      reason: `niceness ${niceness}: ${String(error)}; give the container CAP_SYS_NICE`,
    };
  }
}
