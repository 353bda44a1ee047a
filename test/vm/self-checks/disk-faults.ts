import assert from "node:assert/strict";
import type { Guest } from "../guest.ts";
import type { GuestOutput } from "../guest-channel.ts";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { blockBytes, readBlock, writeBlock } from "./stand-ins.ts";

const DELAY_MS = 3000;

/** Each kind of fault on b's path; a's path to the same disk never notices. */
export const diskFaults: Scenario = {
  number: 106,
  name: "errors, delays, lost and torn writes hit the one guest they are meant for",
  run: async (cluster, { measure }) => {
    await cluster.start(
      ["a", "b"].map((name) => ({
        name,
        settings: { watchdog: { driver: "none", parameters: {} }, services: [] },
      })),
    );
    const [a, b] = [cluster.guest("a"), cluster.guest("b")];
    await b.shell(writeBlock(8, "before"));
    const healthy = await timed(a, writeBlock(9, "healthy"));
    measure("a healthy write takes", healthy.tookMs);

    b.sbdPort.inject({ operations: "writes", effect: { kind: "eio" } });
    const refused = await timed(b, writeBlock(8, "refused"));
    measure("b's write is refused after", refused.tookMs);
    assert.notEqual(refused.status, 0);
    assert.match(refused.output, /Input\/output error/);
    assert.equal(await b.shell(readBlock(8)), "before", "reads still work");

    b.sbdPort.inject({
      operations: "reads",
      range: { fromByte: 8 * blockBytes, toByte: 9 * blockBytes },
      effect: { kind: "eio" },
    });
    assert.match((await b.tryShell(readBlock(8))).output, /Input\/output error/);
    assert.equal(await b.shell(readBlock(9)), "healthy", "the next slot can be read");
    assert.equal(await a.shell(readBlock(8)), "before", "a can read all of it");

    b.sbdPort.inject({ operations: "all", effect: { kind: "delay", ms: DELAY_MS } });
    const [slow, swift] = await Promise.all([
      timed(b, writeBlock(8, "slow")),
      timed(a, writeBlock(9, "swift")),
    ]);
    measure(`b's write, delayed by ${DELAY_MS} ms, takes`, slow.tookMs);
    measure("a's write beside it takes", swift.tookMs);
    assert.equal(slow.status, 0);
    assert.ok(slow.tookMs >= DELAY_MS && swift.tookMs < DELAY_MS);

    b.sbdPort.inject({ operations: "writes", effect: { kind: "lost" } });
    await b.shell(writeBlock(8, "lost"));
    assert.equal(await b.shell(readBlock(8)), "slow", "it was said to be written, and is not");

    b.sbdPort.inject({ operations: "writes", effect: { kind: "torn", bytes: 2 } });
    assert.notEqual((await b.tryShell(writeBlock(8, "TORN"))).status, 0);
    assert.equal(await a.shell(readBlock(8)), "TOow", "half of it is there for all to see");

    b.sbdPort.heal();
    await b.shell(writeBlock(8, "healed"));
    assert.equal(await a.shell(readBlock(8)), "healed");
  },
};

async function timed(guest: Guest, script: string): Promise<GuestOutput & { tookMs: number }> {
  const startedMs = monoMs();
  const result = await guest.tryShell(script);
  return { ...result, tookMs: monoMs() - startedMs };
}
