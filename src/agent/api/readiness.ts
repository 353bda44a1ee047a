import type { AgentStatus } from "../driver/api-message.ts";

/**
 * Why an agent is not ready, for `/readyz`; null where it is. Ready is an agent that has armed its watchdog,
 * or one that only detects and has had a good pass. It stays ready while passes go wrong: a rollout is to stop
 * at a node that cannot arm, and what becomes of an armed one its watchdog decides.
 */
export function whyNotReady({
  watchdog,
  watchdogDevice,
  detectOnly,
  lastGoodPassAgeMs,
  trouble,
}: AgentStatus): string | null {
  if (watchdog === "armed" || (detectOnly && lastGoodPassAgeMs !== null)) {
    return null;
  }
  return watchdogDevice.refusal ?? trouble ?? "the agent has not armed its watchdog";
}
