import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import { TAINT_STANDS_MS } from "../fencing/node-lacks.ts";
import { listAt, textAt } from "../kube/kube-object.ts";
import { CliError } from "./cli-error.ts";
import { withCluster } from "./cluster-connection.ts";
import { isOver, MAY_VIEW, nameOf, nodeOf, viewCluster, type ClusterView } from "./cluster-view.ts";
import { seconds } from "../timing/contract.ts";
import { ageMs, bar, duration } from "./durations.ts";
import { paint, printable, textFields } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";
import { EVIDENCE_ROWS, UNMET_CONDITIONS, type UnmetCondition } from "./unmet-conditions.ts";
import { showScreen, type Screen } from "./watch-screen.ts";

type Unmet = {
  readonly code: string;
  readonly detail: string;
  /** When it can be met at the earliest; null where that is not a matter of time. */
  readonly earliestTime: string | null;
  readonly earliest: UnmetCondition["earliest"];
  readonly reading: UnmetCondition["reading"];
  readonly remedy: string;
};

type Row = {
  readonly evidence: string;
  readonly met: boolean;
  /** Why none of it counts yet; empty where it is met. */
  readonly unmet: readonly Unmet[];
};

export type FencingDocument = {
  readonly time: string;
  readonly request: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly node: string;
  readonly phase: string | null;
  readonly outcome: "open" | "proven" | "released" | "failed";
  readonly message: string | null;
  readonly fencer: string | null;
  readonly state: string | null;
  readonly epoch: number | null;
  readonly bootID: string | null;
  readonly messageDurableTime: string | null;
  readonly boundSeconds: number | null;
  readonly earliestBoundedTime: string | null;
  /** How old the fencer's last look at the device is. */
  readonly deviceReadAgeMs: number | null;
  readonly unfencable: string | null;
  readonly rows: readonly Row[];
  readonly proof: { readonly kind: string; readonly time: string; readonly detail: string } | null;
};

export type FencingOptions = {
  /** A node's name, or a request's: `namespace/name`, or name. */
  readonly about: string;
  readonly watch: boolean;
  readonly context: string | null;
};

/** `sbdctl fencing`. @throws {CliError} `API`, `NO_SUCH_REQUEST`, `NOT_PROVEN` */
export async function showFencing(options: FencingOptions, terminal: Terminal): Promise<void> {
  await withCluster(options.context, MAY_VIEW, async ({ client }) => {
    await followFencing(options, terminal, () => viewCluster(client));
  });
}

/** Shows it, and follows it to its end where that is asked for. @throws {CliError} `NOT_PROVEN` */
export async function followFencing(
  { about, watch }: Pick<FencingOptions, "about" | "watch">,
  terminal: Terminal,
  look: () => Promise<ClusterView>,
): Promise<void> {
  let followed = about;
  let last: FencingDocument | null = null;
  const { document } = await showScreen(watch, terminal, async (): Promise<Screen> => {
    const view = await look();
    const request = findRequest(followed, view, last);
    followed = nameOf(request);
    last = fencingOf(request, view);
    const over = last.outcome === "released" || last.outcome === "failed";
    return { document: last, text: fencingText(last, view.wallMs), over };
  });
  const { outcome, message } = document as FencingDocument;
  if (watch && outcome === "failed") {
    throw new CliError("NOT_PROVEN", `The request has failed: ${message ?? ""}`);
  }
}

function findRequest(
  about: string,
  view: ClusterView,
  last: FencingDocument | null,
): SBDRemediation {
  const found = view.requests.filter(
    (request) =>
      nameOf(request) === about || request.metadata.name === about || nodeOf(request) === about,
  );
  const newest = found.toSorted((a, b) => startOf(b) - startOf(a));
  const request = newest.find((request) => !isOver(request)) ?? newest[0];
  if (request === undefined) {
    throw new CliError(
      "NO_SUCH_REQUEST",
      last === null
        ? `There is no SBDRemediation ${about} and none for a node of that name, so nobody is fencing ` +
            `it. 'sbdctl report ${about}' tells of fencings that are over.`
        : `The request is gone. 'sbdctl report ${last.node}' tells how it ended.`,
    );
  }
  return request;
}

function startOf({ metadata }: SBDRemediation): number {
  return Date.parse(metadata.creationTimestamp ?? "") || 0;
}

export function fencingOf(request: SBDRemediation, view: ClusterView): FencingDocument {
  const { metadata, status } = request;
  const { fencing } = status;
  const { evidence, messageDurableTime, boundSeconds } = fencing ?? {};
  const earliestBoundedTime =
    messageDurableTime === undefined || boundSeconds === undefined
      ? null
      : later(messageDurableTime, boundSeconds * 1_000);
  const succeeded = status.conditions?.find(({ type }) => type === "Succeeded")?.status;
  const node = nodeOf(request);
  return {
    time: new Date(view.wallMs).toISOString(),
    request: {
      namespace: metadata.namespace ?? "",
      name: metadata.name,
      uid: metadata.uid ?? "",
    },
    node,
    phase: status.phase ?? null,
    outcome:
      succeeded === "True"
        ? "released"
        : succeeded === "False"
          ? "failed"
          : evidence === undefined
            ? "open"
            : "proven",
    message: status.message ?? null,
    fencer: fencing?.agent ?? null,
    state: fencing?.state ?? null,
    epoch: fencing?.epoch ?? null,
    bootID: fencing?.bootID ?? null,
    messageDurableTime: messageDurableTime ?? null,
    boundSeconds: boundSeconds ?? null,
    earliestBoundedTime,
    deviceReadAgeMs: ageMs(fencing?.lastPassTime, view.wallMs),
    unfencable: fencing?.unfencable?.detail ?? null,
    rows: rowsOf(fencing?.missing ?? [], evidence?.kind ?? null, {
      bound: earliestBoundedTime,
      taint: taintStands(view, node),
    }),
    proof:
      evidence === undefined
        ? null
        : { kind: evidence.kind, time: evidence.time, detail: evidence.detail },
  };
}

function rowsOf(
  missing: readonly string[],
  proven: string | null,
  times: { readonly bound: string | null; readonly taint: string | null },
): Row[] {
  const unmet = missing.map((text) => {
    const [code = "", ...rest] = text.split(": ");
    return { code, detail: rest.join(": ") };
  });
  return EVIDENCE_ROWS.map((evidence): Row => {
    const met = evidence === proven;
    const lacking = unmet.flatMap(({ code, detail }): Unmet[] => {
      const known = conditionOf(code);
      if (proven !== null || !known.rows.includes(evidence)) return [];
      const { earliest, reading, remedy } = known;
      const earliestTime =
        earliest === "bound" ? times.bound : earliest === "taint" ? times.taint : null;
      return [{ code, detail, earliestTime, earliest, reading, remedy }];
    });
    return { evidence, met, unmet: lacking };
  });
}

/** A fencer of another version may name what this program does not know. */
function conditionOf(code: string): UnmetCondition {
  return Object.hasOwn(UNMET_CONDITIONS, code)
    ? UNMET_CONDITIONS[code as keyof typeof UNMET_CONDITIONS]
    : {
        rows: EVIDENCE_ROWS,
        earliest: "any-moment",
        reading: "device",
        remedy: "This program does not know it: use the sbdctl of the cluster's version.",
      };
}

function taintStands(view: ClusterView, nodeName: string): string | null {
  const node = view.nodes?.find(({ metadata }) => metadata.name === nodeName);
  const taint = listAt(node, "spec", "taints").find(
    (candidate) =>
      textAt(candidate, "key") === REMEDIATION_TAINT_KEY &&
      textAt(candidate, "effect") === "NoExecute",
  );
  const added = textAt(taint, "timeAdded");
  return added === "" ? null : later(added, TAINT_STANDS_MS);
}

function later(instant: string, ms: number): string {
  return new Date(Date.parse(instant) + ms).toISOString();
}

function fencingText(fencing: FencingDocument, wallMs: number): string {
  const { request, node, proof, earliestBoundedTime, messageDurableTime } = fencing;
  const parts = [
    textFields([
      ["node", node],
      ["request", `${request.namespace}/${request.name}, ${fencing.phase ?? "not taken up yet"}`],
      [
        "fencer",
        `${fencing.fencer ?? "nobody is named yet"}${fencing.state ? `, ${fencing.state}` : ""}`,
      ],
      [
        "message",
        messageDurableTime === null
          ? "none stands yet"
          : `epoch ${fencing.epoch ?? "?"} to boot ${fencing.bootID ?? "?"}, ` +
            `durable for ${duration(wallMs - Date.parse(messageDurableTime))}`,
      ],
      [
        "device read",
        fencing.deviceReadAgeMs === null ? "never" : `${duration(fencing.deviceReadAgeMs)} ago`,
      ],
    ]),
  ];
  if (proof === null && earliestBoundedTime !== null && messageDurableTime !== null) {
    const dueMs = Date.parse(earliestBoundedTime);
    const startMs = Date.parse(messageDurableTime);
    const share = (wallMs - startMs) / Math.max(1, dueMs - startMs);
    parts.push(
      `${bar(share, 30)} M ` +
        (wallMs < dueMs
          ? `in ${duration(dueMs - wallMs)}`
          : `passed ${duration(wallMs - dueMs)} ago`),
    );
  }
  if (fencing.unfencable !== null) {
    parts.push(paint("red", `Waiting proves nothing: ${printable(fencing.unfencable)}`));
  }
  const open = proof === null && fencing.outcome === "open";
  parts.push(
    open
      ? "One of these proves the death:\n" +
          fencing.rows.map((row) => rowText(row, fencing, wallMs)).join("\n")
      : proof === null
        ? paint("red", `NOT PROVEN: ${printable(fencing.message ?? "the request has failed")}`)
        : `${paint("green", `[x] ${proof.kind}`)} at ${proof.time}\n    ${printable(proof.detail)}\n` +
          (fencing.outcome === "released"
            ? "Its work is released."
            : "Its work is being released."),
  );
  return parts.join("\n\n");
}

function rowText({ evidence, unmet }: Row, fencing: FencingDocument, wallMs: number): string {
  if (evidence === "ManuallyConfirmed") {
    return [
      `[ ] ${evidence}`,
      ...unmet.flatMap((condition) => unmetLines(condition, fencing, wallMs)),
      `      - Only if the machine is off: 'sbdctl confirm-off ${printable(fencing.node)}'.`,
    ].join("\n");
  }
  return [
    `[ ] ${evidence}${unmet.length === 0 ? ": not judged yet" : ""}`,
    ...unmet.flatMap((condition) => unmetLines(condition, fencing, wallMs)),
  ].join("\n");
}

function unmetLines(
  { code, detail, earliest, earliestTime, reading, remedy }: Unmet,
  { deviceReadAgeMs, node }: FencingDocument,
  wallMs: number,
): string[] {
  const source =
    reading === "device" && deviceReadAgeMs !== null
      ? `device, read ${duration(deviceReadAgeMs)} ago`
      : reading;
  return [
    `    [ ] ${code}: ${printable(detail)}`,
    `        ${whenText(earliest, earliestTime, wallMs)}; rests on: ${source}`,
    `        ${remedy.replaceAll("NODE'", `${printable(node)}'`)}`,
  ];
}

function whenText(earliest: Unmet["earliest"], time: string | null, wallMs: number): string {
  switch (earliest) {
    case "bound":
    case "taint":
      if (time === null) {
        return earliest === "bound"
          ? "M after the message stands"
          : `${seconds(TAINT_STANDS_MS)} after NoExecute stands`;
      }
      return Date.parse(time) > wallMs
        ? `in ${duration(Date.parse(time) - wallMs)}, at ${time}`
        : "any moment: its time has come";
    case "acknowledged-wait":
      return "2W and slack after the acknowledgement";
    case "any-moment":
      return "any moment";
    case "by-hand":
      return "not by waiting";
    case "never":
      return "never, as things are set";
  }
}
