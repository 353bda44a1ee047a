import assert from "node:assert/strict";
import { EMULATION_MS } from "./allowance.ts";
import type { Declared, Fencing } from "./fencing.ts";
import type { Death, GuardedCluster } from "./guarded-cluster.ts";

const MESSAGE_BOUND_MS = 30_000;
const BOOT_BOUND_MS = 120_000;

/**
 * A node that reads its device is ordered dead: it acknowledges within T, dies, and is declared dead
 * after that. Everything is timed and held against the contract.
 */
export async function judgeProvenDeath(
  guarded: GuardedCluster,
  name: string,
  fencing: Fencing,
): Promise<{ readonly death: Death; readonly declared: Declared }> {
  const { play, timing } = guarded;
  const durableMs = await fencing.durable(MESSAGE_BOUND_MS);
  play.measure("from the request to the durable message", durableMs - fencing.requestedMs);
  const acknowledgedMs = await guarded.acknowledged(
    name,
    durableMs,
    timing.timeoutMs + EMULATION_MS,
  );
  play.measure("from the durable message to the acknowledgement", acknowledgedMs - durableMs, {
    toMs: 2 * timing.passIntervalMs + EMULATION_MS,
    why: "two passes at most, + 1.5 s for emulation",
  });
  const death = await guarded.death(name, durableMs, timing.longestLifeMs + BOOT_BOUND_MS);
  assert.equal(death.bootId, fencing.bootId);
  guarded.judgeDeath(
    "from the durable message",
    durableMs,
    death,
    timing.longestLifeMs,
    guarded.longestLifeSum,
  );
  const declared = await fencing.declared(timing.msgwaitMs + BOOT_BOUND_MS);
  play.measure("from the request to the declared death", declared.atMs - fencing.requestedMs);
  guarded.judgeDeclaration(death.bootId, declared.atMs);
  const boot = await guarded.guest(name).booted(death.resetMs, BOOT_BOUND_MS);
  assert.notEqual(boot.bootId, death.bootId);
  play.tell(`${name} runs again, as boot ${boot.bootId.slice(0, 8)}`, boot.atMs);
  return { death, declared };
}
