import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { monoMs } from "../monotonic.ts";
import type { Scenario } from "../scenario.ts";
import { readBlock, writeBlock } from "./stand-ins.ts";

/** A server on this machine's loopback, which the guests know as 10.0.2.2. */
export const networkCut: Scenario = {
  number: 110,
  name: "a cut network keeps one guest from the host's server, and from nothing else",
  run: async (cluster, { measure }) => {
    const server = createServer((_, response) => {
      response.end("served");
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    try {
      await cluster.start(
        ["a", "b"].map((name) => ({
          name,
          settings: { watchdog: { driver: "none", parameters: {} }, services: [] },
        })),
      );
      const [a, b] = [cluster.guest("a"), cluster.guest("b")];
      const { port } = server.address() as AddressInfo;
      const get = `timeout 3 wget -q -O - http://10.0.2.2:${port}/`;
      assert.equal(await a.shell(get), "served");
      assert.equal(await b.shell(get), "served");
      await b.cutNetwork();
      assert.notEqual((await b.tryShell(get)).status, 0, "b is cut off");
      assert.equal(await a.shell(get), "served");
      await b.shell(writeBlock(8, "by disk"));
      assert.equal(await a.shell(readBlock(8)), "by disk", "the disk is not the network");
      const restoredMs = monoMs();
      await b.restoreNetwork();
      const again = `for try in 1 2 3 4 5 6; do ${get} 2>/dev/null && exit 0; done; exit 1`;
      assert.equal(await b.shell(again, 30_000), "served");
      measure("b is served again after", monoMs() - restoredMs);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  },
};
