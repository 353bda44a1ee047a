import { createHash } from "node:crypto";

import type { PastFencing } from "../api/sbd-node.ts";
import type { FenceCase } from "../fencing/fence-case.ts";
import { canonicalText, type PlainData } from "../fencing/plain-data.ts";
import { judgeGrounds, readGrounds, type ProofRecord } from "../fencing/proof-record.ts";
import { addressedBoot } from "../fencing/fence-case.ts";
import { unpackRecord } from "../fencing/shell/packed-record.ts";
import { VERSION } from "../program/version.ts";
import { msgwaitArithmetic, seconds } from "../timing/contract.ts";

export const REPORT_FORMAT = "sbd-fencing-report/1";

/** One moment of a fencing. */
export type ReportMoment = {
  /** RFC 3339. */
  readonly time: string;
  readonly kind:
    | "requested"
    | "last-write"
    | "message"
    | "no-execute"
    | "acknowledged"
    | "later-boot"
    | "dead-by"
    | "proven"
    | "finished";
  readonly text: string;
};

/** `sbdctl report -o json`. Instants are RFC 3339. */
export type FencingReport = {
  readonly format: typeof REPORT_FORMAT;
  readonly sbdctlVersion: string;
  readonly node: string;
  readonly nodeID: number;
  readonly config: string;
  /** As the cluster kept it, without the observations. */
  readonly fencing: Omit<PastFencing, "evidence"> & {
    readonly evidence: Omit<NonNullable<PastFencing["evidence"]>, "observations"> | null;
  };
  /** Why there were never two writers, in one sentence; or why that is not known. */
  readonly conclusion: string;
  readonly arithmetic: string | null;
  readonly timeline: readonly ReportMoment[];
  /** What the judge looked at; null where it was not kept. */
  readonly observations: ProofRecord | null;
  /** SHA-256, in hex, of the report without this field. */
  readonly digest: string;
};

/** The report of one fencing that was kept. @throws {ProofRecordError} */
export function makeReport(
  place: { readonly node: string; readonly nodeID: number; readonly config: string },
  past: PastFencing,
): FencingReport {
  const { observations = null, ...evidence } = past.evidence ?? { observations: null };
  const record =
    observations === null ? null : (unpackRecord(observations) as unknown as ProofRecord);
  const grounds = record === null ? null : readGrounds(record);
  const fence = grounds?.kind === "message" ? grounds.fence : null;
  const timeline = timelineOf(past, fence, record);
  const { evidence: _, ...rest } = past;
  const report = {
    format: REPORT_FORMAT,
    sbdctlVersion: VERSION,
    ...place,
    fencing: {
      ...rest,
      evidence: past.evidence === undefined ? null : (evidence as typeof past.evidence),
    },
    conclusion: conclusionOf(place.node, past),
    arithmetic: fence === null ? null : msgwaitArithmetic(fence.timing),
    timeline,
    observations: record,
  } as const;
  return { ...report, digest: digestOf(report) };
}

/** A report as a file: whoever changes a byte of it changes the digest, or the form. */
export function reportText(report: FencingReport): string {
  return `${canonicalText(report as unknown as PlainData)}\n`;
}

export function digestOf(report: Omit<FencingReport, "digest"> | PlainData): string {
  return createHash("sha256")
    .update(canonicalText(report as unknown as PlainData))
    .digest("hex");
}

export type Verification =
  | { readonly ok: true; readonly sentence: string }
  | { readonly ok: false; readonly why: string };

/**
 * Judges a report's observations again, by the judge that fencers have, and compares with its claim.
 *
 * @param text the file, byte for byte
 */
export function verifyReport(text: string): Verification {
  let report: FencingReport;
  try {
    report = JSON.parse(text) as FencingReport;
  } catch (error) {
    return no(`it is no JSON: ${String(error)}`);
  }
  if (report === null || typeof report !== "object" || report.format !== REPORT_FORMAT) {
    return no(`it is no report of the form ${REPORT_FORMAT}`);
  }
  if (reportText(report) !== text) {
    return no("its bytes are not those that sbdctl report writes");
  }
  const { digest, ...rest } = report;
  if (digestOf(rest) !== digest) {
    return no("its digest is that of another content: something in it was changed");
  }
  try {
    return judgeReport(report);
  } catch (error) {
    return no(error instanceof Error ? error.message : String(error));
  }
}

function judgeReport({
  fencing,
  observations,
  node,
  nodeID,
  timeline,
}: FencingReport): Verification {
  const { evidence } = fencing;
  if (evidence === null) return no("it claims no proof: the fencing ended without one");
  if (observations === null) return no("the observations that its proof rests on were not kept");
  const grounds = readGrounds(observations);
  const verdict = judgeGrounds(grounds);
  if (verdict.kind === "missing") {
    const lacks = verdict.missing.map(({ code, detail }) => `${code}: ${detail}`).join("; ");
    return no(`the observations do not prove the death: ${lacks}`);
  }
  const found = verdict.evidence;
  const later = found.kind === "Rebooted" ? found.laterBootID : undefined;
  const differences = [
    found.kind === evidence.kind ? null : `it claims ${evidence.kind}, they prove ${found.kind}`,
    found.bootID === evidence.bootID ? null : `they are about boot ${found.bootID}`,
    later === evidence.laterBootID ? null : `they show the later boot ${later ?? "none"}`,
    found.detail === evidence.detail ? null : `they say: ${found.detail}`,
    ...(grounds.kind === "word"
      ? [grounds.word.request.uid === fencing.requestUID ? null : "they are of another request"]
      : [
          grounds.fence.request.uid === fencing.requestUID ? null : "they are of another request",
          grounds.fence.target.nodeName === node ? null : "they are of another node",
          grounds.fence.target.nodeID === nodeID ? null : "they are of another slot",
        ]),
    canonicalText(timeline as unknown as PlainData) ===
    canonicalText(timelineOf(past(fencing), caseOf(grounds), observations) as unknown as PlainData)
      ? null
      : "the timeline is not the one that follows from them",
  ].filter((difference) => difference !== null);
  return differences.length > 0
    ? no(differences.join("; "))
    : {
        ok: true,
        sentence:
          `The death of boot ${found.bootID} of ${node} follows from what ${observations.by} had read ` +
          `(${found.kind}: ${found.detail}).`,
      };
}

function past({ evidence, ...rest }: FencingReport["fencing"]): PastFencing {
  return evidence === null ? rest : { ...rest, evidence };
}

function caseOf(grounds: ReturnType<typeof readGrounds>): FenceCase | null {
  return grounds.kind === "message" ? grounds.fence : null;
}

function no(why: string): Verification {
  return { ok: false, why };
}

function conclusionOf(node: string, { evidence, outcome }: PastFencing): string {
  if (evidence === undefined) {
    return (
      `Not proven dead, so nothing of ${node} was released; whatever ran there may have gone on ` +
      `writing, alone.`
    );
  }
  const released =
    outcome === "Released" ? "its work was released after that" : "its work was not yet released";
  return (
    `Two writers: impossible before ${evidence.time}, as nothing was released, and after it, as boot ` +
    `${evidence.bootID} of ${node} was dead (${evidence.kind}: ${evidence.detail}); ${released}.`
  );
}

function timelineOf(
  {
    requestedTime,
    noExecuteTime,
    messageDurableTime,
    evidence,
    finishedTime,
    outcome,
    ...more
  }: PastFencing,
  fence: FenceCase | null,
  record: ProofRecord | null,
): ReportMoment[] {
  const moments: (readonly [string | undefined, ReportMoment["kind"], string])[] = [
    [requestedTime, "requested", `fencing of the node is asked for (${more.requestName})`],
    [messageDurableTime, "message", `the fence message is on the device, by ${more.fencer}`],
    [noExecuteTime, "no-execute", "NoExecute keeps pods off the node"],
    [evidence?.time, "proven", `proven dead: ${evidence?.kind ?? ""}, ${evidence?.detail ?? ""}`],
    [
      finishedTime,
      "finished",
      outcome === "Released" ? "its work is released" : "the request ends without a proof",
    ],
    ...(fence === null || record === null ? [] : observedMoments(fence, record)),
  ];
  return moments
    .flatMap(([time, kind, text]) => (time === undefined ? [] : [{ time, kind, text }]))
    .toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time));
}

/** Instants of the fencer's own clock, dated by the wall clock it had beside it. */
function observedMoments(
  fence: FenceCase,
  { clock }: ProofRecord,
): (readonly [string, ReportMoment["kind"], string])[] {
  const dated = (ms: number): string => new Date(clock.wallMs + (ms - clock.rawMs)).toISOString();
  const boot = addressedBoot(fence);
  const { message, timing } = fence;
  const deadByMs = message.durableMs + timing.longestLifeMs;
  return [
    ...(boot === undefined
      ? []
      : [[dated(boot.shownMs), "last-write", "last write of the node to the device"] as const]),
    ...(boot?.acknowledgement == null
      ? []
      : [
          [
            dated(boot.acknowledgement.seenMs),
            "acknowledged",
            "the node acknowledges: it will die",
          ] as const,
        ]),
    ...laterBoots(fence).map(
      ({ record, firstShownMs }) =>
        [dated(firstShownMs), "later-boot", `boot ${record.bootID} beats`] as const,
    ),
    [
      dated(deadByMs),
      "dead-by",
      "an armed node is dead by now even if it never read the message: T + 2W = " +
        seconds(timing.longestLifeMs),
    ],
  ];
}

function laterBoots(fence: FenceCase) {
  const addressed = addressedBoot(fence);
  const boots = fence.sightings.heartbeats.get(fence.target.nodeID)?.boots ?? [];
  return boots.filter(
    (boot) => boot !== addressed && boot.firstShownMs > (addressed?.firstShownMs ?? -Infinity),
  );
}
