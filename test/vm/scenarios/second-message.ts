import assert from "node:assert/strict";
import { FENCE_REGION_OFFSET_BYTES, REGION_SIZE_BYTES } from "../../../src/protocol/layout.ts";
import { GuardedCluster } from "../guarded-cluster.ts";
import type { Scenario } from "../scenario.ts";

/** Long enough that the target does not die of what keeps it from reading. */
const TIMEOUT_S = 30;

export const secondMessage: Scenario = {
  number: 16,
  name: "a second fencer comes while the first one's message is unread, and both get their proof",
  run: async (cluster, play) => {
    const guarded = await GuardedCluster.start(cluster, play, {
      control: "device",
      timeoutSeconds: TIMEOUT_S,
    });
    const guest = guarded.guest("a");
    guest.sbdPort.inject({
      operations: "reads",
      range: {
        fromByte: FENCE_REGION_OFFSET_BYTES,
        toByte: FENCE_REGION_OFFSET_BYTES + REGION_SIZE_BYTES,
      },
      effect: { kind: "hang" },
    });
    play.tell("a's reads of the fence region hang");
    const first = await guarded.fence("a");
    const durableMs = await first.durable(20_000);
    const second = await guarded.fence("a");
    await second.confirmed(20_000);
    guest.sbdPort.heal();
    play.tell("a can read them again");
    const { longestLifeSum } = guarded;
    const { longestLifeMs } = guarded.timing;
    const death = await guarded.death("a", durableMs, 4 * longestLifeMs);
    guarded.judgeDeath("from the durable message", durableMs, death, longestLifeMs, longestLifeSum);
    for (const fencing of [first, second]) {
      const declared = await fencing.declared(180_000);
      assert.equal(fencing.bootId, death.bootId);
      guarded.judgeDeclaration(death.bootId, declared.atMs);
    }
    const messages = guarded.watch.events.filter(({ kind }) => kind === "fence").length;
    play.find(`${messages} message(s) were written for the two`);
    await guarded.returns("a", death);
    await guarded.everybodyElseLives("a");
  },
};
