import { drawPicture, timelineText, type PaintedLine, type Picture } from "./picture.ts";

/** Where a run is shown: a live picture on a terminal, or plain lines. */
export type Stage = {
  /** The times before the request are negative; null: before anything was struck. */
  say(text: string, sinceRequestMs: number | null): void;
  show(picture: () => Picture): void;
};

const DIM = "\u001b[2m";
const PLAIN = "\u001b[0m";
const STYLES: Readonly<Record<PaintedLine["style"], string>> = {
  plain: "",
  bold: "\u001b[1m",
  up: "\u001b[32m",
  down: "\u001b[31m",
};

/** Timeline lines, one event each. */
export function plainStage(out: NodeJS.WriteStream): Stage {
  return {
    say: (text, sinceRequestMs) => void out.write(`${stamp(sinceRequestMs)}  ${text}\n`),
    show: () => undefined,
  };
}

/** The same lines, with the nodes drawn below them and kept current. */
export function terminalStage(out: NodeJS.WriteStream): Stage {
  const hasColours = (process.env["NO_COLOR"] ?? "") === "";
  let drawnLines = 0;
  const painted = (style: string, text: string): string =>
    hasColours && style !== "" ? `${style}${text}${PLAIN}` : text;
  const erase = (): void => {
    if (drawnLines > 0) {
      out.write(`\u001b[${drawnLines}A\u001b[0J`);
      drawnLines = 0;
    }
  };
  return {
    say(text, sinceRequestMs) {
      erase();
      const at = stamp(sinceRequestMs);
      const rest = timelineText(at, text).slice(at.length);
      out.write(`${painted(DIM, at)}${rest}\n`);
    },
    show(picture) {
      const lines = drawPicture(picture());
      erase();
      out.write(lines.map(({ text, style }) => `${painted(STYLES[style], text)}\n`).join(""));
      drawnLines = lines.length;
    },
  };
}

function stamp(sinceRequestMs: number | null): string {
  return sinceRequestMs === null
    ? " ".repeat(10)
    : `${(sinceRequestMs / 1_000).toFixed(3).padStart(8)} s`;
}
