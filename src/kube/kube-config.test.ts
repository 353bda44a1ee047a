import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { KubeConfigError } from "./kube-access.ts";
import { loadKubeConfig, loadUserKubeConfig } from "./kube-config.ts";
import { serviceAccountAccess } from "./service-account.ts";

async function withFile(text: string, run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "sbd-kubeconfig-"));
  try {
    const path = join(directory, "config");
    writeFileSync(path, text);
    await run(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("KUBECONFIG names the file", async () => {
  const text = JSON.stringify({
    clusters: [{ name: "c", cluster: { server: "https://example:6443" } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
  await withFile(text, async (path) => {
    const access = await loadKubeConfig({ KUBECONFIG: path });
    assert.equal(access.server.origin, "https://example:6443");
    assert.deepEqual(await access.credentials(), {
      tls: {},
      headers: { Authorization: "Bearer t" },
    });
  });
});

function kubeconfig(name: string): string {
  return JSON.stringify({
    clusters: [{ name, cluster: { server: `https://${name}:6443` } }],
    users: [{ name, user: { token: "t" } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}

test("a person's KUBECONFIG may name several files: the first one's context counts, or the one asked for", async () => {
  await withFile(kubeconfig("a"), async (a) => {
    await withFile(kubeconfig("b"), async (b) => {
      const environment = { KUBECONFIG: `${a}:${b}` };
      const server = async (context: string | null): Promise<string> =>
        (await loadUserKubeConfig(environment, context)).server.origin;
      assert.equal(await server(null), "https://a:6443");
      assert.equal(await server("b"), "https://b:6443");
      await assert.rejects(server("c"), /has no context 'c'/);
    });
  });
});

test("no way to an API server is said, with what to do", async () => {
  await assert.rejects(loadKubeConfig({}), {
    name: "KubeConfigError",
    message: /KUBECONFIG is not set and this is no pod/,
  });
  await assert.rejects(loadKubeConfig({ KUBECONFIG: "/nowhere/config" }), KubeConfigError);
  await withFile("{}", async (path) => {
    await assert.rejects(loadKubeConfig({ KUBECONFIG: path }), /no current context/);
  });
});

test("a pod is its service account, at an address of either family", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sbd-account-"));
  try {
    writeFileSync(join(folder, "token"), "t\n");
    writeFileSync(join(folder, "ca.crt"), "a certificate");
    const access = serviceAccountAccess({ KUBERNETES_SERVICE_HOST: "fd00::1" }, folder);
    assert.equal(access.server.origin, "https://[fd00::1]");
    assert.deepEqual(await access.credentials(), {
      tls: { ca: "a certificate" },
      headers: { authorization: "Bearer t" },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
