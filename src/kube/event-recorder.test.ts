import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { startApiServer, type ApiServer } from "../testing/apiserver/start-api-server.ts";
import { createEventRecorder, type EventRecorder } from "./event-recorder.ts";
import type { KubeClient } from "./kube-client.ts";
import { fieldAt, textAt } from "./kube-object.ts";
import { embeddedClient } from "./testing/embedded-client.ts";

let server: ApiServer;
let client: KubeClient;
let recorder: EventRecorder;
let lost: string[];
let nowMs: number;

beforeEach(async () => {
  server = await startApiServer();
  client = embeddedClient(server);
  lost = [];
  nowMs = Date.parse("2026-01-01T00:00:00Z");
  recorder = createEventRecorder(client, {
    component: "sbd-agent",
    host: "worker-1",
    onLost: (message) => void lost.push(message),
    nowMs: () => nowMs,
  });
});
afterEach(async () => {
  client.close();
  await server.close();
});

const NODE = { apiVersion: "v1", kind: "Node", name: "worker-1", uid: "worker-1" };

function events(namespace = "default") {
  return server.objects.list("events", namespace);
}

test("an event says what happened to which object, and who says so", async () => {
  recorder.record(NODE, "Warning", "NotArmed", "no watchdog");
  await recorder.settled();
  const [event] = events();
  assert.equal(textAt(event, "reason"), "NotArmed");
  assert.equal(textAt(event, "type"), "Warning");
  assert.equal(textAt(event, "message"), "no watchdog");
  assert.equal(textAt(event, "involvedObject", "name"), "worker-1");
  assert.equal(textAt(event, "source", "component"), "sbd-agent");
  assert.equal(textAt(event, "firstTimestamp"), "2026-01-01T00:00:00Z");
  assert.deepEqual(lost, []);
});

test("the same again is counted, something else is another event", async () => {
  recorder.record(NODE, "Warning", "NotArmed", "no watchdog");
  recorder.record(NODE, "Warning", "NotArmed", "no watchdog");
  nowMs += 60_000;
  recorder.record(NODE, "Warning", "NotArmed", "no watchdog");
  recorder.record(NODE, "Normal", "Armed", "armed");
  await recorder.settled();
  const counts = events().map(
    (event) => `${textAt(event, "reason")} ${String(fieldAt(event, "count"))}`,
  );
  assert.deepEqual(counts.toSorted(), ["Armed 1", "NotArmed 3"]);
  const repeated = events().find((event) => textAt(event, "reason") === "NotArmed");
  assert.equal(textAt(repeated, "lastTimestamp"), "2026-01-01T00:01:00Z");
});

test("a series whose event is gone begins anew", async () => {
  recorder.record(NODE, "Normal", "Armed", "armed");
  await recorder.settled();
  server.objects.delete("events", events()[0]?.metadata.name ?? "", "default");
  recorder.record(NODE, "Normal", "Armed", "armed");
  await recorder.settled();
  assert.equal(fieldAt(events()[0], "count"), 1);
});

test("an event about a namespaced object goes to its namespace", async () => {
  const subject = { ...NODE, kind: "Pod", name: "p", namespace: "kube-system" };
  recorder.record(subject, "Normal", "Armed", "armed");
  await recorder.settled();
  assert.equal(events("kube-system").length, 1);
});

test("what cannot be written is lost without harm, and told", async () => {
  await server.goAway();
  for (let n = 0; n < 150; n += 1) recorder.record(NODE, "Normal", "Armed", `message ${n}`);
  await recorder.settled();
  assert.equal(lost.length, 150);
  await server.comeBack();
  recorder.record(NODE, "Normal", "Armed", "later");
  await recorder.settled();
  assert.equal(events().length, 1);
});
