import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { KubeConfigError, loadKubeConfig, loadUserKubeConfig } from "./kube-config.ts";

function withFile(text: string, run: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "sbd-kubeconfig-"));
  try {
    const path = join(directory, "config");
    writeFileSync(path, text);
    run(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("KUBECONFIG names the file", () => {
  const text = JSON.stringify({
    clusters: [{ name: "c", cluster: { server: "https://example:6443" } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
  withFile(text, (path) => {
    const config = loadKubeConfig({ KUBECONFIG: path });
    assert.equal(config.getCurrentCluster()?.server, "https://example:6443");
    assert.equal(config.getCurrentCluster()?.skipTLSVerify, false);
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

test("a person's KUBECONFIG may name several files: the first one's context counts, or the one asked for", () => {
  withFile(kubeconfig("a"), (a) => {
    withFile(kubeconfig("b"), (b) => {
      const environment = { KUBECONFIG: `${a}:${b}` };
      const server = (context: string | null): string | undefined =>
        loadUserKubeConfig(environment, context).getCurrentCluster()?.server;
      assert.equal(server(null), "https://a:6443");
      assert.equal(server("b"), "https://b:6443");
      assert.throws(() => server("c"), /has no context 'c'/);
    });
  });
});

test("no way to an API server is said, with what to do", () => {
  assert.throws(() => loadKubeConfig({}), {
    name: "KubeConfigError",
    message: /KUBECONFIG is not set and this is no pod/,
  });
  assert.throws(() => loadKubeConfig({ KUBECONFIG: "/nowhere/config" }), KubeConfigError);
  withFile("{}", (path) => {
    assert.throws(() => loadKubeConfig({ KUBECONFIG: path }), /no current context/);
  });
});
