import type { SBDRemediation } from "../../api/sbd-remediation.ts";
import { outcomeOf, type Snapshot } from "../snapshot.ts";

/** A request that has come to its end. */
export type EndedRequest = {
  readonly outcome: "succeeded" | "failed";
  /** What proved the death; empty where nothing did. */
  readonly evidence: string;
  /** From the request on, seconds; null where it has not come so far. */
  readonly untilMessage: number | null;
  readonly untilProof: number | null;
  readonly untilRelease: number | null;
};

/**
 * Tells each request that ends under a leader's eyes once. What had ended before its first look was told
 * by another leader.
 */
export class FencingTally {
  #ended: ReadonlySet<string> | null = null;

  note({ remediations }: Snapshot): readonly EndedRequest[] {
    const before = this.#ended;
    const ended = remediations.filter((one) => {
      const outcome = outcomeOf(one);
      return outcome === "succeeded" || outcome === "failed";
    });
    this.#ended = new Set(ended.map(uidOf));
    return before === null ? [] : ended.filter((one) => !before.has(uidOf(one))).map(endOf);
  }

  /** Another leads: what ends meanwhile is not ours to tell. */
  forget(): void {
    this.#ended = null;
  }
}

function endOf(request: SBDRemediation): EndedRequest {
  const { status, spec, metadata } = request;
  const requested = spec.remediationRequestTime ?? metadata.creationTimestamp;
  const after = (time: string | undefined): number | null =>
    time === undefined || requested === undefined
      ? null
      : Math.max(0, (Date.parse(time) - Date.parse(requested)) / 1_000);
  const isReleased = outcomeOf(request) === "succeeded";
  const end = status.conditions?.find(({ type }) => type === "Succeeded")?.lastTransitionTime;
  return {
    outcome: isReleased ? "succeeded" : "failed",
    evidence: status.fencing?.evidence?.kind ?? "",
    untilMessage: after(status.fencing?.messageDurableTime),
    untilProof: after(status.fencing?.evidence?.time),
    untilRelease: isReleased ? after(end) : null,
  };
}

function uidOf({ metadata }: SBDRemediation): string {
  return metadata.uid ?? "";
}
