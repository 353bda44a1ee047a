import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";

/*
 * The server lives as long as its process and has no end of its own, so it is looked at in a process
 * that is ended.
 */
const PROGRAM = `
import { Registry, Gauge } from "prom-client";
import { serveMetrics } from ${JSON.stringify(new URL("metrics-server.ts", import.meta.url).href)};
const registry = new Registry();
registry.registerMetric(new Gauge({ name: "answer", help: "an answer", registers: [] }));
serveMetrics({
  address: "127.0.0.1",
  port: 0,
  registry,
  healthTrouble: () => process.env.TROUBLE ?? null,
  readinessTrouble: () => "no list yet",
  log: (level, message) => console.log(message),
});
`;

async function withServer(
  trouble: string | null,
  look: (url: string) => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", PROGRAM], {
    cwd: new URL("../../", import.meta.url),
    env: { ...process.env, ...(trouble === null ? {} : { TROUBLE: trouble }) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    for await (const chunk of child.stdout) {
      const port = /port (\d+)/.exec(String(chunk))?.[1];
      assert.ok(port !== undefined, String(chunk));
      await look(`http://127.0.0.1:${port}`);
      return;
    }
    assert.fail("the server has ended");
  } finally {
    child.kill("SIGKILL");
  }
}

test("/metrics and /healthz answer, everything else does not", async () => {
  await withServer(null, async (url) => {
    const metrics = await fetch(`${url}/metrics`);
    assert.match(metrics.headers.get("content-type") ?? "", /^text\/plain/);
    assert.match(await metrics.text(), /^answer 0$/m);
    const health = await fetch(`${url}/healthz`);
    assert.deepEqual([health.status, await health.text()], [200, "ok\n"]);
    assert.equal((await fetch(`${url}/secrets`)).status, 404);
    assert.equal((await fetch(`${url}/metrics`, { method: "POST" })).status, 405);
  });
});

test("/healthz says what is wrong", async () => {
  await withServer("the core process has said nothing lately", async (url) => {
    const health = await fetch(`${url}/healthz`);
    assert.equal(health.status, 503);
    assert.match(await health.text(), /nothing lately/);
  });
});

test("/readyz is a question of its own", async () => {
  await withServer(null, async (url) => {
    const ready = await fetch(`${url}/readyz`);
    assert.deepEqual([ready.status, await ready.text()], [503, "no list yet\n"]);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });
});
