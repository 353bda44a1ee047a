import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster } from "../scenarios/cluster.ts";
import { createOperatorMetrics } from "./operator-metrics.ts";

async function numbers(cluster: Cluster, isLeading = true): Promise<string> {
  const [request] = cluster.api.snapshot().remediations;
  const createdMs = Date.parse(request?.metadata.creationTimestamp ?? "");
  const { registry } = createOperatorMetrics({
    isLeading: () => isLeading,
    snapshot: () => cluster.api.snapshot(),
    wallMs: () => createdMs + 90_000,
  });
  return await registry.metrics();
}

function requestedCluster(): Cluster {
  const cluster = new Cluster();
  cluster.createRemediation("req", { nodeName: "worker-1" });
  cluster.settle();
  cluster.reportDurable("req", "worker-1");
  cluster.fencerReports("req", { boundSeconds: 63 });
  cluster.settle();
  return cluster;
}

test("an open request has its age and its M", async () => {
  const text = await numbers(requestedCluster());
  const labels = /\{request_namespace="[\w-]+",request="req",node="worker-1"\}/.source;
  assert.match(text, new RegExp(`^sbd_fencing_pending_seconds${labels} 90$`, "m"));
  assert.match(text, new RegExp(`^sbd_fencing_bound_seconds${labels} 63$`, "m"));
  assert.match(text, /^sbd_config_ready\{config="[\w-]+",reason="\w+"\} [01]$/m);
  assert.match(text, /^sbd_fence_slot_unreadable\{config="[\w-]+",node="worker-1"\} 0$/m);
});

test("a proven one has how long it took, and is pending no more", async () => {
  const cluster = requestedCluster();
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  const text = await numbers(cluster);
  assert.doesNotMatch(text, /^sbd_fencing_pending_seconds\{/m);
  assert.match(
    text,
    /^sbd_fencing_duration_seconds\{.*request="req".*node="worker-1",evidence="\w+"\} \d/m,
  );
});

test("an operator that does not lead tells that, and nothing of the cluster", async () => {
  const text = await numbers(requestedCluster(), false);
  assert.match(text, /^sbd_operator_leader 0$/m);
  assert.doesNotMatch(text, /^sbd_(fencing|config|fence)_\w+\{/m);
});

test("requests that end while it leads are counted once, with how long they took", async () => {
  const cluster = requestedCluster();
  const { registry, noteLook, noteFailure, noteFollowing } = createOperatorMetrics({
    isLeading: () => true,
    snapshot: () => cluster.api.snapshot(),
    wallMs: () => 0,
  });
  noteLook(cluster.api.snapshot());
  cluster.pass(20_000);
  cluster.reportProven("req", "worker-1");
  cluster.settle();
  cluster.createRemediation("nowhere", { nodeName: "worker-99" });
  cluster.settle();
  for (let n = 0; n < 3; n += 1) noteLook(cluster.api.snapshot());
  noteFailure("transient");
  const text = await registry.metrics();
  assert.match(text, /^sbd_requests_total\{outcome="succeeded",evidence="Bounded"\} 1$/m);
  assert.match(text, /^sbd_requests_total\{outcome="failed",evidence=""\} 1$/m);
  for (const until of ["message", "proof", "release"]) {
    assert.match(text, new RegExp(`^sbd_request_seconds_count\\{until="${until}"\\} 1$`, "m"));
  }
  assert.match(text, /^sbd_request_seconds_bucket\{le="30",until="proof"\} 1$/m);
  assert.match(text, /^sbd_request_seconds_bucket\{le="10",until="proof"\} 0$/m);
  assert.match(text, /^sbd_reconcile_errors_total\{class="transient"\} 1$/m);
  assert.match(text, /^sbd_reconcile_errors_total\{class="permanent"\} 0$/m);
  assert.match(text, /^sbd_nodes_unarmed\{config="default"\} \d$/m);
  noteFollowing();
  noteLook(cluster.api.snapshot());
  assert.match(await registry.metrics(), /outcome="succeeded",evidence="Bounded"\} 1$/m);
});
