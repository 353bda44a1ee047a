import fs from "node:fs";

import { parseSBDNode, SBD_NODE, type PastFencing, type SBDNode } from "../api/sbd-node.ts";
import { ProofRecordError } from "../fencing/proof-record.ts";
import { listObjects } from "../kube/read-objects.ts";
import { resourceTypeOf } from "../kube/resource-type.ts";
import { CliError } from "./cli-error.ts";
import { withCluster } from "./cluster-connection.ts";
import { MAY_VIEW } from "./cluster-view.ts";
import { makeReport, reportText, verifyReport, type FencingReport } from "./fencing-report.ts";
import { reportMarkdown, reportScreen, reportSvg } from "./report-render.ts";
import type { Terminal } from "./terminal.ts";

export const REPORT_FORMATS = ["text", "md", "json", "svg"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export type ReportOptions = {
  /** A node's name, or a request's: name, `namespace/name` or UID. */
  readonly about: string;
  readonly format: ReportFormat;
  readonly context: string | null;
};

type Kept = { readonly sbdNode: SBDNode; readonly past: PastFencing };

/** `sbdctl report`. @throws {CliError} `API`, `NO_SUCH_REQUEST`, `NOT_VERIFIED` */
export async function showReport(options: ReportOptions, terminal: Terminal): Promise<void> {
  await withCluster(options.context, MAY_VIEW, async ({ client }) => {
    const { items } = await listObjects(client, resourceTypeOf(SBD_NODE));
    const kept = items.flatMap((object): Kept[] => {
      const parsed = parseSBDNode(object);
      return parsed.ok
        ? (parsed.value.status.fencings ?? []).map((past) => ({ sbdNode: parsed.value, past }))
        : [];
    });
    const found = kept.find(({ sbdNode, past }) => isAbout(options.about, sbdNode, past));
    if (found === undefined) {
      throw new CliError(
        "NO_SUCH_REQUEST",
        `No fencing of or by the name ${options.about} was kept. The last five of each node are kept once ` +
          `they are proven or have failed: see 'sbdctl fencing ${options.about}' for one that goes on.`,
      );
    }
    const { spec } = found.sbdNode;
    const place = { node: spec.nodeName, nodeID: spec.nodeID, config: spec.configName };
    const report = reportOf(place, found.past);
    terminal.print(rendered(report, options.format));
  });
}

export function reportOf(
  place: Parameters<typeof makeReport>[0],
  past: PastFencing,
): FencingReport {
  try {
    return makeReport(place, past);
  } catch (error) {
    throw error instanceof ProofRecordError ? new CliError("NOT_VERIFIED", error.message) : error;
  }
}

function isAbout(
  about: string,
  { spec }: SBDNode,
  { requestUID, requestName, requestNamespace }: PastFencing,
): boolean {
  return [spec.nodeName, requestName, `${requestNamespace}/${requestName}`, requestUID].includes(
    about,
  );
}

function rendered(report: FencingReport, format: ReportFormat): string {
  switch (format) {
    case "text":
      return `${reportScreen(report)}\n`;
    case "md":
      return `${reportMarkdown(report)}\n`;
    case "svg":
      return `${reportSvg(report)}\n`;
    case "json":
      return reportText(report);
  }
}

/** `sbdctl verify`. @throws {CliError} `FILE`, `NOT_VERIFIED` */
export function verifyFile(path: string, terminal: Terminal): void {
  let text: string;
  try {
    text = fs.readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (error) {
    throw new CliError("FILE", `Cannot read the report: ${String(error)}`);
  }
  const verification = verifyReport(text);
  if (!verification.ok) {
    throw new CliError(
      "NOT_VERIFIED",
      `Not verified: ${verification.why}. Do not rest anything on this report.`,
      { verified: false },
    );
  }
  terminal.answer({ verified: true, sentence: verification.sentence }, verification.sentence);
}
