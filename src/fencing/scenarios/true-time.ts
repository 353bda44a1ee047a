/** A true time as a trace shows it: `47.25` for 47 250 ms, at most three decimals. */
export function showSeconds(ms: number): string {
  return String(Number((ms / 1_000).toFixed(3)));
}
