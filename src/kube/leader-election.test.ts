import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { startApiServer, type ApiServer } from "../testing/apiserver/start-api-server.ts";
import type { KubeClient } from "./kube-client.ts";
import { textAt } from "./kube-object.ts";
import { electLeader, type LeaderElection } from "./leader-election.ts";
import { embeddedClient } from "./testing/embedded-client.ts";
import { until } from "./testing/until.ts";

let server: ApiServer;
let candidates: { readonly election: LeaderElection; readonly client: KubeClient }[];
let log: string[];

beforeEach(async () => {
  server = await startApiServer();
  candidates = [];
  log = [];
});
afterEach(async () => {
  await Promise.all(candidates.map(({ election }) => election.stop()));
  for (const { client } of candidates) client.close();
  await server.close();
});

function stand(identity: string): LeaderElection {
  const client = embeddedClient(server, { userAgent: identity });
  const election = electLeader(client, {
    name: "sbd-operator",
    namespace: "default",
    identity,
    leaseDurationMs: 1_000,
    renewDeadlineMs: 600,
    retryPeriodMs: 100,
    onLead: () => void log.push(`${identity} leads`),
    onFollow: () => void log.push(`${identity} follows`),
    log: (message) => void log.push(message),
  });
  candidates.push({ election, client });
  return election;
}

function holder(): string {
  return textAt(server.objects.get("leases", "sbd-operator", "default"), "spec", "holderIdentity");
}

test("of two candidates one leads, and the other when the first has stopped", async () => {
  const first = stand("first");
  await until("first leads", () => first.isLeader);
  assert.equal(holder(), "first");
  const second = stand("second");
  await first.stop();
  assert.equal(first.isLeader, false);
  await until("second leads", () => second.isLeader);
  assert.equal(holder(), "second");
  assert.deepEqual(
    log.filter((line) => /^\w+ (leads|follows)$/.test(line)),
    ["first leads", "first follows", "second leads"],
  );
  assert.ok(log.includes("first is the leader now"));
  assert.ok(log.some((line) => line.startsWith("first is not the leader any more")));
});

test("a leader cut off from the server steps down, then the other leads", async () => {
  const first = stand("first");
  await until("first leads", () => first.isLeader);
  const second = stand("second");
  server.faults.add(
    { userAgent: "first" },
    { kind: "partition", lost: "requests", afterwards: "cut" },
  );
  await until("second leads", () => second.isLeader);
  assert.equal(first.isLeader, false);
  assert.ok(log.indexOf("first follows") < log.indexOf("second leads"), log.join("\n"));
  server.faults.clear();
});

test("a leader goes on leading through an outage shorter than its deadline", async () => {
  const first = stand("first");
  await until("first leads", () => first.isLeader);
  server.faults.add({}, { kind: "error", code: 503 }, 2);
  await until("it failed and went on", () => log.some((line) => line.includes("503")));
  const version = server.version;
  await until("renewed", () => server.version > version);
  assert.ok(first.isLeader);
  assert.ok(!log.includes("first follows"));
});
