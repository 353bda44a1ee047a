/** `83000` → `1 min 23 s`; what lies ahead is the caller's to say. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min${seconds % 60 === 0 ? "" : ` ${seconds % 60} s`}`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

/** Ms since an RFC 3339 instant; null for one that was never told. */
export function ageMs(instant: string | undefined, wallMs: number): number | null {
  const ms = Date.parse(instant ?? "");
  return Number.isNaN(ms) ? null : Math.max(0, wallMs - ms);
}

/** `[######......]`, `width` characters between the brackets. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${"#".repeat(full)}${".".repeat(width - full)}]`;
}
