import type { OnStorageLoss } from "../protocol/device-header.ts";

/** What befalls the cluster. `target` is the node that runs the workload. */
export type ScenarioName =
  | "partition"
  | "storage-loss"
  | "frozen"
  | "agent-killed"
  | "healthy"
  | "api-outage"
  | "array-loss"
  | "leader-killed";

export type Scenario = {
  readonly text: string;
  /** Nothing is to be fenced: every node must live. */
  readonly everybodyLives: boolean;
  readonly onStorageLoss: OnStorageLoss;
};

const FENCED = { everybodyLives: false, onStorageLoss: "SelfFence" } as const;
const LIVES = { everybodyLives: true, onStorageLoss: "SelfFence" } as const;

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  partition: { ...FENCED, text: "the node loses the network and runs on, unaware" },
  "storage-loss": {
    ...FENCED,
    text: "the node loses network and shared storage at once, and keeps its workload",
  },
  frozen: { ...FENCED, text: "the whole node hangs (SIGSTOP); its watchdog does not" },
  "agent-killed": {
    ...FENCED,
    text:
      "network and storage are lost, and the agent is killed -9 just before its deadline: closing " +
      "pets the watchdog once more",
  },
  "leader-killed": {
    ...FENCED,
    text: "the node is cut off, and the leading operator is killed -9 in the middle of the fencing",
  },
  healthy: { ...LIVES, text: "storage and CPU are slow for half a minute; nothing may die" },
  "api-outage": { ...LIVES, text: "the API server goes away for a minute; nothing may die" },
  "array-loss": {
    everybodyLives: true,
    onStorageLoss: "SurviveWithApi",
    text: "all nodes lose the shared storage, and the API vouches for them; nothing may die",
  },
};

/** The last line of a run. Times are ms since the SBDRemediation, null where they do not apply. */
export type DemoResult = {
  readonly scenario: ScenarioName;
  readonly target: string;
  readonly outcome: "fenced" | "none" | "failed";
  readonly evidence: string | null;
  readonly fenceWrittenMs: number | null;
  readonly ackMs: number | null;
  readonly deadMs: number | null;
  readonly declaredMs: number | null;
  readonly oldOwnerLastWriteMs: number | null;
  readonly newOwnerFirstWriteMs: number | null;
  readonly falseFences: number;
  /** Where the node was not proven dead: what its request and its Node said at the end. */
  readonly unproven: Unproven | null;
};

export type Unproven = {
  readonly conditions: readonly string[];
  readonly fencing: unknown;
  readonly node: { readonly bootID: string; readonly taints: readonly string[] };
};

/** The node that runs the workload, and that befalls what befalls. */
export const TARGET = "worker-1";

/** Of a run that ended before anything could be told. */
export function failedResult(scenario: ScenarioName): DemoResult {
  return {
    scenario,
    target: TARGET,
    outcome: "failed",
    evidence: null,
    fenceWrittenMs: null,
    ackMs: null,
    deadMs: null,
    declaredMs: null,
    oldOwnerLastWriteMs: null,
    newOwnerFirstWriteMs: null,
    falseFences: 0,
    unproven: null,
  };
}

export function isScenarioName(name: string): name is ScenarioName {
  return Object.hasOwn(SCENARIOS, name);
}

/** What is wrong with a result; empty where the cluster kept its data. */
export function whatWentWrong(result: DemoResult): string[] {
  const wrong: string[] = [];
  const { deadMs, declaredMs, oldOwnerLastWriteMs, newOwnerFirstWriteMs } = result;
  if (result.falseFences > 0) {
    wrong.push(`${result.falseFences} healthy node(s) died`);
  }
  if (SCENARIOS[result.scenario].everybodyLives) {
    if (result.outcome !== "none") {
      wrong.push(`the outcome is ${result.outcome}, though nothing was to be fenced`);
    }
    return wrong;
  }
  if (result.outcome !== "fenced") {
    wrong.push("the lost node was not proven dead in time");
  }
  if (deadMs === null || declaredMs === null || deadMs > declaredMs) {
    wrong.push(`declared dead at ${declaredMs} ms, died at ${deadMs} ms`);
  }
  if (
    oldOwnerLastWriteMs === null ||
    newOwnerFirstWriteMs === null ||
    oldOwnerLastWriteMs >= newOwnerFirstWriteMs
  ) {
    wrong.push(
      `two owners: the old one wrote until ${oldOwnerLastWriteMs} ms, the new one from ` +
        `${newOwnerFirstWriteMs} ms on`,
    );
  }
  return wrong;
}
