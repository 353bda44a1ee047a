import { MISSING_LENGTH_MAX, MISSING_MAX, type FencingEvidence } from "../../api/fencing-status.ts";
import { TEXT_LENGTH_MAX } from "../../api/field.ts";
import type { Evidence } from "../evidence.ts";
import type { FencerReport } from "../fencer-report.ts";
import { fieldAt, textAt } from "../../kube/kube-object.ts";
import { VERSION } from "../../program/version.ts";

/** Fields of `status.fencing` as a merge patch: null removes. `agent` is the operator's. */
export type FencingPatch = Readonly<Record<string, unknown>>;

/** The wall clock may be set meanwhile; within this an instant counts as the same. */
const SAME_INSTANT_MS = 2_000;

/**
 * What a fencer's report makes of `status.fencing`.
 *
 * @param current `status.fencing` as it is: its epoch only grows, and its instants stay unless they
 *   are others by more than a moment
 */
export function reportPatch(report: FencerReport, current: unknown, wallMs: number): FencingPatch {
  const { bootID, machineID, durableForMs, msgwaitMs, missing, unfencable, detail } = report;
  const currentEpoch = fieldAt(current, "epoch");
  const epoch = Math.max(typeof currentEpoch === "number" ? currentEpoch : 0, report.epoch);
  return {
    state: report.state,
    ...(epoch === 0 ? {} : { epoch }),
    bootID,
    machineID,
    messageDurableTime:
      durableForMs === null
        ? null
        : steadyInstant(textAt(current, "messageDurableTime"), wallMs - durableForMs),
    boundSeconds: msgwaitMs / 1_000,
    missing: missing
      .slice(0, MISSING_MAX)
      .map(({ code, detail }) => `${code}: ${detail}`.slice(0, MISSING_LENGTH_MAX)),
    unfencable: unfencable === null ? null : { ...unfencable },
    reason: detail === "" ? null : detail.slice(0, TEXT_LENGTH_MAX),
    lastPassTime: new Date(wallMs).toISOString(),
  };
}

/** Whether a patch would change more than the time of the last look. */
export function isMaterial(patch: FencingPatch, current: unknown): boolean {
  return Object.entries(patch).some(([field, value]) => {
    const held = fieldAt(current, field) ?? null;
    return field !== "lastPassTime" && !sameValue(held, value);
  });
}

/**
 * `status.fencing` with the proof in it.
 *
 * @param observations the packed record of what it rests on; null where that is too large to be kept
 */
export function evidencePatch(
  evidence: Evidence,
  observations: string | null,
  wallMs: number,
): FencingPatch {
  const recorded: FencingEvidence = {
    kind: evidence.kind,
    time: new Date(wallMs).toISOString(),
    bootID: evidence.bootID,
    detail: evidence.detail.slice(0, TEXT_LENGTH_MAX),
    fencerVersion: VERSION,
    ...(observations === null ? {} : { observations }),
    ...(evidence.kind === "Rebooted" ? { laterBootID: evidence.laterBootID } : {}),
  };
  return { state: "Proven", evidence: recorded, missing: [], unfencable: null, reason: null };
}

function steadyInstant(current: string, wallMs: number): string {
  const currentMs = Date.parse(current);
  return Math.abs(currentMs - wallMs) <= SAME_INSTANT_MS ? current : new Date(wallMs).toISOString();
}

function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** The server hands fields out in its own order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
