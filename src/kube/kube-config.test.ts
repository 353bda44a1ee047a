import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { KubeConfigError, loadKubeConfig } from "./kube-config.ts";

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
