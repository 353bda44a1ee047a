import type { FencerStepped } from "./fencer-driver.ts";

/** What a step of a fencer is worth a line in a log or a trace: its message, and its proofs. */
export function narrateFencer({ before, after }: FencerStepped): string[] {
  const lines: string[] = [];
  if (after.message.kind !== before.message.kind) {
    lines.push(`fencer of ${after.config.target.nodeName}: message ${after.message.kind}`);
  }
  for (const { uid, proof } of after.requests) {
    const known = before.requests.find((request) => request.uid === uid);
    if (proof !== null && known?.proof == null) {
      const rule = proof.kind === "Rebooted" ? ` (${proof.rule})` : "";
      lines.push(`fencer PROVES ${proof.bootID} dead: ${proof.kind}${rule}: ${proof.detail}`);
    }
  }
  return lines;
}
