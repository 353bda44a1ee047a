import type { ManualConfirmation } from "./authority.ts";
import { judgeAcknowledged } from "./acknowledged.ts";
import { judgeBounded } from "./bounded.ts";
import { wanting, type Missing, type Verdict } from "./evidence.ts";
import { countFromMs, type FenceCase } from "./fence-case.ts";
import { bootsOfTheMachine, lacksNode, lacksOneMachine } from "./node-lacks.ts";
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
  const lacks = [
    ...lacksOneMachine(fence),
    ...lacksNode(fence, countFromMs(fence), bootsOfTheMachine(fence)),
  ];
  return word.kind === "missing" || lacks.length === 0 ? word : wanting(lacks);
}

/** An administrator's word counts for the request and the boot it names, and for no other. */
export function judgeWord(
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
