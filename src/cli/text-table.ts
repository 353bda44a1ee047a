/** A column is a title and, for each row, its cell. */
export type Column<Row> = readonly [title: string, cell: (row: Row) => string];

/** Rows under titles, each column as wide as its widest cell, two spaces between them. */
export function textTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, cell]) => printable(cell(row)))),
  ];
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((line) => (line[index] ?? "").length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `title   value` lines. */
export function textFields(fields: readonly (readonly [title: string, value: string])[]): string {
  const width = Math.max(...fields.map(([title]) => title.length));
  return fields
    .map(([title, value]) => `${title.padEnd(width)}  ${printable(value)}`.trimEnd())
    .join("\n");
}

/** Names on the device are whatever somebody wrote there; they must not drive a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}
