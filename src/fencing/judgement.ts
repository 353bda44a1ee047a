import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import type { ManualConfirmation } from "./authority.ts";
import { judgeAcknowledged } from "./acknowledged.ts";
import { judgeBounded } from "./bounded.ts";
import { missing, wanting, type Missing, type Verdict } from "./evidence.ts";
import { countFromMs, type FenceCase, type NodeKnowledge } from "./fence-case.ts";
import type { OpenRequest } from "./fencer-state.ts";
import { lacksNode, lacksNodeSince } from "./node-lacks.ts";
import { judgeRebooted } from "./rebooted.ts";

/** Asks every row of the evidence table, the strongest first; one proof is enough. */
export function judgeDeath(fence: FenceCase): Verdict {
  const verdicts = [
    judgeConfirmed(fence),
    judgeRebooted(fence),
    judgeAcknowledged(fence),
    judgeBounded(fence),
  ];
  return (
    verdicts.find((verdict) => verdict.kind === "proven") ?? {
      kind: "missing",
      missing: eachOnce(
        verdicts.flatMap((verdict) => (verdict.kind === "missing" ? verdict.missing : [])),
      ),
    }
  );
}

/** Rows may lack the same. */
function eachOnce(missing: readonly Missing[]): readonly Missing[] {
  return [...new Map(missing.map((lack) => [`${lack.code} ${lack.detail}`, lack])).values()];
}

/** A word for the machine that beats is none for another one that is the Node by now. */
function judgeConfirmed(fence: FenceCase): Verdict {
  const { confirmation, request, message } = fence;
  const word = judgeWord(confirmation, request.uid, message.record.targetBootID);
  if (word.kind === "missing") {
    return word;
  }
  const lacks = lacksNode(fence, countFromMs(fence));
  return lacks.length > 0 ? wanting(lacks) : word;
}

/** What there is to judge a word by where no message stands. */
export type WordAlone = Pick<FenceCase, "cluster" | "node"> & {
  readonly request: Pick<OpenRequest, "uid" | "confirmation" | "confirmedMs">;
  /** What the target's slot shows. */
  readonly shown: HeartbeatRecord | null;
  /** What the Node told before is too old. */
  readonly freshFromMs: number;
};

/**
 * No message says whose death is asked for, so the boot in the word is to be the one that the Node
 * tells, and the slot too if it shows one; and all that is asked of the Node counts from the word.
 */
export function judgeWordAlone(word: WordAlone): Verdict {
  const { cluster, node, request, shown, freshFromMs } = word;
  const { confirmation, confirmedMs } = request;
  if (confirmation?.requestUID !== request.uid || confirmedMs === null) {
    return missing("NO_MESSAGE", "no fence message stands");
  }
  const { bootID } = confirmation;
  const boots = new Set([bootID]);
  const lacks = lacksNodeSince(
    { cluster, node: watchedSince(node, confirmedMs) },
    {
      sinceMs: confirmedMs,
      boots,
      mayTell: boots,
      readFromMs: Math.max(confirmedMs, freshFromMs),
      whose: `the administrator's word is about ${bootID}`,
    },
  );
  if (shown !== null && shown.bootID !== bootID) {
    lacks.push(["OTHER_BOOT", `boot ${shown.bootID} has beaten in the target's slot`]);
  }
  return lacks.length > 0 ? wanting(lacks) : judgeWord(confirmation, request.uid, bootID);
}

/** For an administrator's word the taint counts from the word on, as the kubelet's boots do. */
function watchedSince(node: NodeKnowledge | null, sinceMs: number): NodeKnowledge | null {
  return node === null || node.taintedMs === null
    ? node
    : { ...node, taintedMs: Math.max(node.taintedMs, sinceMs) };
}

/** An administrator's word counts for the request and the boot it names, and for no other. */
function judgeWord(
  confirmation: ManualConfirmation | null,
  requestUID: string,
  deadBootID: string,
): Verdict {
  if (confirmation?.requestUID !== requestUID || confirmation.bootID !== deadBootID) {
    return { kind: "missing", missing: [] };
  }
  const { bootID, by, at } = confirmation;
  return {
    kind: "proven",
    evidence: {
      kind: "ManuallyConfirmed",
      bootID,
      by,
      at,
      detail: `${by} confirmed at ${at} that boot ${bootID} is off`,
    },
  };
}
