import type { FencingReport, ReportMoment } from "./fencing-report.ts";
import { SCREEN_COLUMNS, wrapWords } from "./screen.ts";
import { printable, textFields } from "./text-table.ts";

/** Who may have been writing from a moment on. */
type Writers = { readonly node: "may" | "ordered" | "dead"; readonly elsewhere: boolean };

/** Each moment with what holds from it on. */
function withWriters({ timeline, fencing }: FencingReport): (ReportMoment & Writers)[] {
  let node: Writers["node"] = "may";
  let elsewhere = false;
  return timeline.map((moment) => {
    if (moment.kind === "message" && node === "may") node = "ordered";
    if (moment.kind === "proven") node = "dead";
    if (moment.kind === "finished") elsewhere = fencing.outcome === "Released";
    return { ...moment, node, elsewhere };
  });
}

const NODE_MARK: Readonly<Record<Writers["node"], string>> = { may: "█", ordered: "▒", dead: "·" };

/** `+12.345 s`, counted from the fence message where there is one; before it negative. */
function offsets({ timeline }: FencingReport): (moment: ReportMoment) => number {
  const zero = timeline.find(({ kind }) => kind === "message") ?? timeline[0];
  const zeroMs = Date.parse(zero?.time ?? "");
  return ({ time }) => (Date.parse(time) - zeroMs) / 1_000;
}

/** The report as a screen of 80 columns. */
export function reportScreen(report: FencingReport): string {
  return [
    textFields(facts(report)),
    timelineText(report),
    wrapWords(printable(report.conclusion), SCREEN_COLUMNS).join("\n"),
  ].join("\n\n");
}

export function timelineText(report: FencingReport): string {
  const offset = offsets(report);
  const lines = withWriters(report).flatMap((moment) => {
    const time = offset(moment).toFixed(3).padStart(10);
    const marks = `  ${NODE_MARK[moment.node]}    ${moment.elsewhere ? "█" : "·"}      `;
    return wrapWords(printable(moment.text), SCREEN_COLUMNS - 30).map((part, index) =>
      index === 0 ? `${time} s ${marks} ${part}` : `${" ".repeat(12)} ${marks} ${part}`,
    );
  });
  return [
    "   seconds    node  elsewhere",
    ...lines,
    "   █ may write   ▒ ordered to die   · nobody writes",
  ].join("\n");
}

function facts(report: FencingReport): (readonly [string, string])[] {
  const { fencing, node, nodeID, config, arithmetic, observations } = report;
  const { evidence } = fencing;
  return [
    ["node", `${node}, slot ${nodeID} of ${config}`],
    ["request", `${fencing.requestNamespace}/${fencing.requestName} (${fencing.requestUID})`],
    ["outcome", fencing.outcome],
    ["boot", fencing.bootID ?? "none was addressed"],
    ["machine", fencing.machineID ?? "unknown"],
    ["fencer", `${fencing.fencer}${evidence?.fencerVersion ? `, ${evidence.fencerVersion}` : ""}`],
    ["evidence", evidence === null ? "none" : `${evidence.kind}: ${evidence.detail}`],
    ...(fencing.confirmedBy === undefined ? [] : [["confirmed by", fencing.confirmedBy] as const]),
    ...(arithmetic === null ? [] : [["arithmetic", arithmetic] as const]),
    [
      "observations",
      observations === null
        ? "not kept, so nobody can judge them again"
        : `kept: 'sbdctl report ... -o json' and 'sbdctl verify' judge them again`,
    ],
  ];
}

export function reportMarkdown(report: FencingReport): string {
  return [
    `# Fencing of ${printable(report.node)}, ${report.timeline[0]?.time ?? ""}`,
    "",
    printable(report.conclusion),
    "",
    "| what | value |",
    "| --- | --- |",
    ...facts(report).map(([what, value]) => `| ${what} | ${cell(value)} |`),
    "",
    "## Timeline",
    "",
    "```",
    timelineText(report),
    "```",
    "",
    "| instant | what |",
    "| --- | --- |",
    ...report.timeline.map(({ time, text }) => `| ${time} | ${cell(text)} |`),
    "",
    `Digest of the report as JSON: \`${report.digest}\`. \`sbdctl verify\` judges its observations again.`,
  ].join("\n");
}

function cell(text: string): string {
  return printable(text).replaceAll("|", "\\|");
}

const WIDTH = 960;
const LEFT = 110;
const RIGHT = 40;
const ROW = 26;

/** A drawing: who may write when, and each moment on one axis. */
export function reportSvg(report: FencingReport): string {
  const moments = withWriters(report);
  const offset = offsets(report);
  const times = moments.map(offset);
  const from = Math.min(...times);
  const to = Math.max(...times, from + 1);
  const x = (seconds: number): number =>
    Math.round(LEFT + ((seconds - from) / (to - from)) * (WIDTH - LEFT - RIGHT));
  const height = 150 + moments.length * ROW + 60;
  const bars = moments.flatMap((moment, index) => {
    const start = x(offset(moment));
    const next = moments[index + 1];
    const end = next === undefined ? WIDTH - RIGHT + 20 : x(offset(next));
    const colour = { may: "#c0392b", ordered: "#e67e22", dead: "#dfe4ea" }[moment.node];
    return [
      box(start, 40, end - start, colour),
      box(start, 76, end - start, moment.elsewhere ? "#27ae60" : "#dfe4ea"),
    ];
  });
  const marks = moments.flatMap((moment, index) => {
    const at = x(offset(moment));
    const y = 140 + index * ROW;
    const label = `${offset(moment).toFixed(3)} s  ${moment.text}`;
    const anchor = at > WIDTH / 2 ? "end" : "start";
    return [
      `<line x1="${at}" y1="36" x2="${at}" y2="${y - 4}" stroke="#57606f" stroke-width="0.7"/>`,
      `<circle cx="${at}" cy="${y - 4}" r="3" fill="#2f3542"/>`,
      text(at + (anchor === "end" ? -8 : 8), y, shorten(label), anchor),
    ];
  });
  const conclusion = wrapWords(printable(report.conclusion), 140).map((line, index) =>
    text(20, height - 40 + index * 16, line, "start"),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height + 20}" ` +
      `viewBox="0 0 ${WIDTH} ${height + 20}" font-family="sans-serif" font-size="12">`,
    `<title>Fencing of ${xml(report.node)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(20, 22, `Fencing of ${report.node} (${report.fencing.requestName})`, "start"),
    text(20, 56, "the node", "start"),
    text(20, 92, "elsewhere", "start"),
    ...bars,
    text(
      LEFT,
      116,
      "red: may write, orange: ordered to die, green: may write, grey: nobody",
      "start",
    ),
    ...marks,
    ...conclusion,
    "</svg>",
  ].join("\n");
}

function box(x: number, y: number, width: number, colour: string): string {
  return `<rect x="${x}" y="${y}" width="${Math.max(0, width)}" height="24" fill="${colour}"/>`;
}

function text(x: number, y: number, content: string, anchor: "start" | "end"): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${xml(content)}</text>`;
}

function shorten(label: string): string {
  return label.length > 80 ? `${label.slice(0, 79)}…` : label;
}

function xml(content: string): string {
  return printable(content)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
