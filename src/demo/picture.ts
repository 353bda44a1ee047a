import { fitScreen, SCREEN_COLUMNS } from "../cli/screen.ts";

/** A node as it is drawn. */
export type NodePicture = {
  readonly name: string;
  readonly machine: "up" | "hung" | "dead";
  readonly bootID: string;
  readonly slot: number | null;
  /** As the API knows it: of a node that is cut off, what was last heard, and how long ago. */
  readonly agent: "armed" | "unarmed" | "fenced";
  readonly heardMsAgo: number | null;
  readonly watchdog: "ticking" | "stopped";
  readonly pets: number;
  readonly taints: readonly string[];
  /** The last line that its pod has written; null where it has written none in this boot. */
  readonly line: { readonly n: number; readonly msAgo: number } | null;
};

export type Picture = {
  readonly nodes: readonly NodePicture[];
  /** What happens next, as far as that is known. */
  readonly awaited: string;
  /** What has happened already, and gets its time once there is a request to count from. */
  readonly undated: readonly string[];
};

export type PaintedLine = {
  readonly text: string;
  readonly style: "plain" | "bold" | "up" | "down";
};

/** Agents report every few seconds; after this they are silent. */
const SILENT_AFTER_MS = 8_000;
const WRITES_WITHIN_MS = 1_000;
/** With the table and what is awaited the screen holds 24 rows. */
const UNDATED_MAX = 10;
const COLUMNS = [
  ["node", 10],
  ["machine", 14],
  ["slot", 5],
  ["agent", 9],
  ["watchdog", 9],
  ["pets", 6],
  ["taints", 12],
  ["workload", 14],
] as const;

/** At most 80 columns and 18 rows. Pure. */
export function drawPicture({ nodes, awaited, undated }: Picture): readonly PaintedLine[] {
  return [
    ...undated
      .slice(-UNDATED_MAX)
      .map((text): PaintedLine => ({ text: cut(`${" ".repeat(12)}${text}`), style: "plain" })),
    { text: "", style: "plain" },
    { text: line(COLUMNS.map(([title]) => title)), style: "bold" },
    ...nodes.map((node): PaintedLine => ({
      text: line(cellsOf(node)),
      style: node.machine === "up" ? "up" : "down",
    })),
    ...fitScreen(`waiting for ${awaited}`)
      .split("\n")
      .slice(0, 2)
      .map((text): PaintedLine => ({ text, style: "plain" })),
  ];
}

function cellsOf(node: NodePicture): readonly string[] {
  const { name, machine, bootID, slot, agent, watchdog, pets, taints } = node;
  if (machine === "dead") {
    return [name, "DEAD", slotText(slot), "-", "-", "-", taintsText(taints), ""];
  }
  const isHung = machine === "hung";
  return [
    name,
    isHung ? "HUNG" : `up ${bootID.slice(0, 8)}`,
    slotText(slot),
    isHung || (node.heardMsAgo ?? Infinity) > SILENT_AFTER_MS ? "silent" : agent,
    watchdog,
    String(pets),
    taintsText(taints),
    lineText(node),
  ];
}

function slotText(slot: number | null): string {
  return slot === null ? "" : String(slot);
}

function taintsText([first = "", ...more]: readonly string[]): string {
  return more.length === 0 ? first : `${first}+${more.length}`;
}

function lineText({ line: written }: NodePicture): string {
  if (written === null) return "";
  return written.msAgo > WRITES_WITHIN_MS ? `last ${written.n}` : `writes ${written.n}`;
}

function line(cells: readonly string[]): string {
  return cut(
    cells
      .map((cell, index) => {
        const width = COLUMNS[index]?.[1] ?? 0;
        return cell.slice(0, width - 1).padEnd(width);
      })
      .join("")
      .trimEnd(),
  );
}

function cut(text: string): string {
  return text.slice(0, SCREEN_COLUMNS);
}

/** A line of the timeline: what is too long goes on under its beginning. */
export function timelineText(stamp: string, text: string): string {
  const indent = " ".repeat(stamp.length + 2);
  return fitScreen(`${indent}${text}`).replace(indent, `${stamp}  `);
}
