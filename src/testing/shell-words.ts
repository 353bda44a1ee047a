/** A word as /bin/sh reads it back unchanged. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
