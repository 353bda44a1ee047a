import type { Readable } from "node:stream";

/**
 * Calls `take` with every line of the stream, without its end. Unlike node:readline it leaves the
 * stream's errors to whoever owns the stream.
 */
export function eachLine(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line.replace(/\r$/, ""));
  });
}
