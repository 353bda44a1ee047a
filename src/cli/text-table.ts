import { styleText } from "node:util";

import { SCREEN_COLUMNS, wrapWords } from "./screen.ts";

export type Style = "red" | "yellow" | "green" | "dim" | "bold";

/** A column is a title and, for each row, its cell; and how the cell is painted on a terminal. */
export type Column<Row> = readonly [
  title: string,
  cell: (row: Row) => string,
  style?: (row: Row) => Style | null,
];

const GAP = "  ";
const COLUMN_MIN = 6;

/**
 * Rows under titles, two spaces between columns. What is wider than the screen is brought to fit by
 * breaking the cells of its widest columns.
 */
export function textTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const titles = columns.map(([title]) => title);
  const cells = rows.map((row) => columns.map(([, cell]) => printable(cell(row))));
  const widths = fittingWidths(
    columns.map((_, index) =>
      Math.max(...[titles, ...cells].map((line) => (line[index] ?? "").length)),
    ),
  );
  const lines = cells.flatMap((line, index) => {
    const row = rows[index] as Row;
    return physicalLines(line, widths, (text, column) => {
      const style = columns[column]?.[2]?.(row) ?? null;
      return style === null ? text : paint(style, text);
    });
  });
  return [...physicalLines(titles, widths, (text) => text), ...lines].join("\n");
}

function physicalLines(
  cells: readonly string[],
  widths: readonly number[],
  painted: (text: string, column: number) => string,
): string[] {
  const parts = cells.map((cell, index) => wrapWords(cell, widths[index] ?? SCREEN_COLUMNS));
  const height = Math.max(...parts.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    parts
      .map((lines, index) => {
        const text = lines[line] ?? "";
        const last = parts.slice(index + 1).every((others) => (others[line] ?? "") === "");
        return painted(text, index) + (last ? "" : " ".repeat((widths[index] ?? 0) - text.length));
      })
      .join(GAP)
      .trimEnd(),
  );
}

function fittingWidths(wanted: readonly number[]): number[] {
  const widths = [...wanted];
  const room = SCREEN_COLUMNS - GAP.length * (widths.length - 1);
  while (widths.reduce((sum, width) => sum + width, 0) > room) {
    const widest = widths.indexOf(Math.max(...widths));
    if ((widths[widest] ?? 0) <= COLUMN_MIN) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** `title   value` lines; a long value goes on under its beginning. */
export function textFields(fields: readonly (readonly [title: string, value: string])[]): string {
  const width = Math.max(...fields.map(([title]) => title.length));
  return fields
    .flatMap(([title, value]) =>
      wrapWords(printable(value), SCREEN_COLUMNS - width - GAP.length).map((part, index) =>
        `${(index === 0 ? title : "").padEnd(width)}${GAP}${part}`.trimEnd(),
      ),
    )
    .join("\n");
}

/** Painted where standard output is a terminal, and NO_COLOR does not forbid it. */
export function paint(style: Style, text: string): string {
  return text === "" ? text : styleText(style, text, { stream: process.stdout });
}

/** Names on the device are whatever somebody wrote there; they must not drive a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}
