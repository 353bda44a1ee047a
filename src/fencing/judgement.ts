import type { ManualConfirmation } from "./authority.ts";
import { judgeAcknowledged } from "./acknowledged.ts";
import { judgeBounded } from "./bounded.ts";
import type { Missing, Verdict } from "./evidence.ts";
import type { FenceCase } from "./fence-case.ts";
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

function judgeConfirmed({ confirmation, request, message }: FenceCase): Verdict {
  return judgeWord(confirmation, request.uid, message.record.targetBootID);
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
