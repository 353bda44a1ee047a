import type { Play } from "../vm/scenario.ts";
import type { InstalledCluster } from "./installed-cluster.ts";

/** A course of events on a cluster that is installed, armed and at work, and is so again at the end. */
export type ClusterScenario = {
  /** Short, for the command line. */
  readonly name: string;
  /** A sentence about behaviour. */
  readonly sentence: string;
  readonly run: (cluster: InstalledCluster, play: Play) => Promise<ClusterOutcome>;
};

/** What a course came to that ended as it was to. */
export type ClusterOutcome = {
  /** Kind of the proof of a node's death; null where nobody was to die. */
  readonly evidence: string | null;
};

export const NOBODY_DIED: ClusterOutcome = { evidence: null };
