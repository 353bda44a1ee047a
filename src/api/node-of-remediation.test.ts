import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeOfRemediation } from "./node-of-remediation.ts";

const annotated = (name: string): Record<string, string> => ({
  "remediation.medik8s.io/node-name": name,
});

test("the annotation says which node, whatever name NodeHealthCheck generated", () => {
  const metadata = { name: "worker-1-x7k2p", annotations: annotated("worker-1") };
  assert.deepEqual(nodeOfRemediation({ metadata }), { ok: true, nodeName: "worker-1" });
});

test("without the annotation nodeName says it, and without that the object's name", () => {
  const metadata = { name: "worker-9", annotations: { other: "x" } };
  const specified = nodeOfRemediation({ metadata, spec: { nodeName: "worker-1" } });
  assert.deepEqual(specified, { ok: true, nodeName: "worker-1" });
  for (const spec of [undefined, null, {}]) {
    assert.deepEqual(nodeOfRemediation({ metadata, spec }), { ok: true, nodeName: "worker-9" });
  }
});

test("annotation and nodeName that agree are one node", () => {
  const metadata = { name: "x", annotations: annotated("worker-1") };
  const both = nodeOfRemediation({ metadata, spec: { nodeName: "worker-1" } });
  assert.deepEqual(both, { ok: true, nodeName: "worker-1" });
});

test("annotation and nodeName that differ fence neither node", () => {
  const metadata = { name: "x", annotations: annotated("worker-1") };
  const result = nodeOfRemediation({ metadata, spec: { nodeName: "worker-2" } });
  assert.ok(!result.ok);
  assert.equal(result.error.code, "TWO_NODES");
  assert.match(result.error.message, /'worker-1'.*'worker-2'.*neither is fenced/);
});

test("an empty name is no name, and does not fall through to the next one", () => {
  for (const remediation of [
    { metadata: { name: "worker-1", annotations: annotated("") } },
    { metadata: { name: "worker-1" }, spec: { nodeName: "" } },
    { metadata: {} },
    { metadata: { name: "" } },
  ]) {
    const result = nodeOfRemediation(remediation);
    assert.ok(!result.ok);
    assert.equal(result.error.code, "NO_NODE");
  }
});
