import { stripVTControlCharacters } from "node:util";

/** Every screen of sbdctl fits this many columns. */
export const SCREEN_COLUMNS = 80;

/** Narrower than this no sentence can be read. */
const COLUMNS_MIN = 20;

/** Width of a terminal; one that does not tell, or tells nonsense, is taken for a common one. */
export function screenColumns(stream: NodeJS.WriteStream): number {
  return stream.columns >= COLUMNS_MIN ? stream.columns : SCREEN_COLUMNS;
}

/** How many columns a text takes, colours not counted. */
export function columnsOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** Words in lines of at most `columns`; a longer word is cut. */
export function wrapWords(text: string, wanted: number): string[] {
  const columns = Math.max(1, wanted);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    let rest = word;
    if (line !== "" && columnsOf(line) + 1 + columnsOf(rest) > columns) {
      lines.push(line);
      line = "";
    }
    while (line === "" && columnsOf(rest) > columns) {
      lines.push(rest.slice(0, columns));
      rest = rest.slice(columns);
    }
    line = line === "" ? rest : `${line} ${rest}`;
  }
  return [...lines, line];
}

/** Breaks what is too long for the screen between words, under its own indentation. */
export function fitScreen(text: string, columns = SCREEN_COLUMNS): string {
  return text
    .split("\n")
    .flatMap((line) => {
      if (columnsOf(line) <= columns) return [line];
      const indent = /^ */.exec(line)?.[0] ?? "";
      return wrapWords(line.trimStart(), columns - indent.length).map((part) => indent + part);
    })
    .join("\n");
}
