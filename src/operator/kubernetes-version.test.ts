import assert from "node:assert/strict";
import { test } from "node:test";

import { judgeKubernetes } from "./kubernetes-version.ts";

for (const [version, status] of [
  ["v1.29.14", "False"],
  ["v1.29.6-gke.1200", "False"],
  ["v1.9.0", "False"],
  ["v1.30.0", "True"],
  ["v1.31.4+k3s1", "True"],
  ["v2.0.0", "True"],
  ["", "Unknown"],
] as const) {
  test(`Kubernetes ${version || "that tells no version"}: supported is ${status}`, () => {
    assert.equal(judgeKubernetes(version).status, status);
  });
}

test("an API server that is too old is told with what that means", () => {
  const { reason, message } = judgeKubernetes("v1.29.14");
  assert.equal(reason, "KubernetesTooOld");
  assert.match(message, /v1\.29\.14, older than 1\.30\.0: .*Upgrade the cluster/);
});
