/**
 * A workload whose every step is on record: appends numbered lines to a file on a shared volume, so
 * that two machines writing at the same time can be seen afterwards.
 *
 *     node numbered-writer.ts <file> <node name> <boot ID> <period in ms>
 *
 * Each line, `<node> <boot ID> <n> <nanoseconds of CLOCK_MONOTONIC>`, is one write with O_APPEND and
 * O_DSYNC, so lines neither mix nor wait in memory. The instant is taken before the write: a machine
 * may have died with its last lines not written, never the other way round.
 */
import { constants, openSync, readFileSync, writeSync } from "node:fs";

export type NumberedLine = {
  readonly node: string;
  readonly bootID: string;
  /** From 1, for each boot. */
  readonly n: number;
  /** CLOCK_MONOTONIC, as in a virtual node's events. */
  readonly tMs: number;
};

/**
 * Reads what was written so far, in the file's order. An incomplete last line is left out.
 *
 * @throws {Error} when any other line is not one of ours.
 */
export function readNumberedLines(path: string): NumberedLine[] {
  const text = readFileSync(path, "utf8");
  const complete = text.slice(0, text.lastIndexOf("\n") + 1);
  return complete.split("\n").slice(0, -1).map(parseLine);
}

function parseLine(line: string): NumberedLine {
  const match = /^(\S+) (\S+) (\d+) (\d+)$/u.exec(line);
  if (match === null) throw new Error(`The shared volume holds a broken line: '${line}'`);
  const [, node = "", bootID = "", n = "", ns = ""] = match;
  return { node, bootID, n: Number(n), tMs: Number(ns) / 1e6 };
}

function run(path: string, node: string, bootID: string, periodMs: number): void {
  const fd = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_DSYNC,
  );
  let n = 0;
  const writeLine = (): void => {
    n += 1;
    const line = Buffer.from(`${node} ${bootID} ${n} ${process.hrtime.bigint()}\n`);
    const written = writeSync(fd, line);
    if (written !== line.length) throw new Error(`Only ${written} bytes of a line were written`);
  };
  writeLine();
  setInterval(writeLine, periodMs);
}

if (import.meta.main) {
  const [path, node, bootID, period] = process.argv.slice(2);
  if (path === undefined || node === undefined || bootID === undefined || !(Number(period) > 0)) {
    process.stderr.write("usage: numbered-writer.ts <file> <node name> <boot ID> <period in ms>\n");
    process.exit(2);
  }
  run(path, node, bootID, Number(period));
}
