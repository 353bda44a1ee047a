import assert from "node:assert/strict";
import { test } from "node:test";

import { parseSBDNode } from "../../api/sbd-node.ts";
import { asFarAsKnown, materialPart, ownStatus } from "./own-status.ts";
import { VERSION } from "../../program/version.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import { armedAgent, BOOT_ID, OTHER_BOOT_ID } from "./testing/agent-status-for-tests.ts";
import { sbdNode } from "./testing/sbd-node-for-tests.ts";

const WALL_MS = Date.parse("2026-01-01T00:00:10Z");
/** As `datePass` has dated it. */
const PASSED = "2026-01-01T00:00:09.900Z";
const PEERS = [sbdNode("worker-1", 1), sbdNode("worker-2", 2), sbdNode("worker-3", 3)];

test("an armed agent's status is valid and says what it is", () => {
  const status = ownStatus(armedAgent(), PEERS, WALL_MS, PASSED);
  const parsed = parseSBDNode({ ...sbdNode("worker-1", 1), status });
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.status, {
    bootID: BOOT_ID,
    machineID: "a".repeat(32),
    startID: "0123456789ab0000",
    agentVersion: VERSION,
    deviceUUID: "7f1d4c6e-93e0-4b9b-9c5a-0a6b3b1f7e99",
    contract: {
      sbdTimeoutSeconds: 6,
      watchdogTimeoutSeconds: 4,
      onStorageLoss: "SelfFence",
      configUID: "7f1d4c6e-93e0-4b9b-9c5a-000000000001",
      clusterUID: "7f1d4c6e-93e0-4b9b-9c5a-000000000002",
    },
    watchdog: {
      path: "/dev/watchdog",
      identity: "i6300ESB timer",
      timeoutSeconds: 4,
      effectiveTimeoutSeconds: 4,
      verified: true,
    },
    armed: true,
    detectOnly: false,
    leaving: false,
    fenced: false,
    lastPassTime: "2026-01-01T00:00:09.900Z",
    passLatencyMilliseconds: 2,
    movingPeers: 1,
    unhealthyPeers: [{ nodeID: 3, nodeName: "worker-3", since: "2026-01-01T00:00:01.000Z" }],
    staleSlots: [],
  });
});

test("what is not so any more is removed", () => {
  const fresh = armedAgent({ lastGoodPassAgeMs: null, passLatencyMs: null, deviceUUID: null });
  const status = ownStatus(fresh, PEERS, WALL_MS, null);
  assert.deepEqual(
    [status.lastPassTime, status.passLatencyMilliseconds, status.deviceUUID, status.message],
    [null, null, null, null],
  );
});

test("since when its own fence slot cannot be read, for as long as that is so", () => {
  const since = "2026-01-01T00:00:05.250Z";
  const agent = armedAgent({ fenceUnreadableSinceWallMs: Date.parse(since) });
  for (const wallMs of [WALL_MS, WALL_MS + 60_000]) {
    assert.equal(ownStatus(agent, PEERS, wallMs, PASSED).fenceSlotUnreadableSince, since);
  }
  const readable = ownStatus(armedAgent(), PEERS, WALL_MS, PASSED);
  assert.equal(readable.fenceSlotUnreadableSince, null);
});

test("of a watchdog, too, what is not so any more is removed", () => {
  const refused = armedAgent({
    effectiveWatchdogMs: null,
    watchdogDevice: {
      path: "/dev/watchdog",
      identity: null,
      driver: null,
      timeoutSeconds: null,
      verified: false,
      refusal: "no such device",
    },
  });
  const { watchdog } = ownStatus(refused, PEERS, WALL_MS, PASSED);
  assert.deepEqual(
    [watchdog.identity, watchdog.timeoutSeconds, watchdog.effectiveTimeoutSeconds],
    [null, null, null],
  );
  assert.equal(ownStatus(armedAgent(), PEERS, WALL_MS, PASSED).watchdog.refusal, null);
});

test("a peer whose slot is another node's by now, or nobody's, is no unhealthy peer; one that is deleted is, the leader knows of its Node", () => {
  const others = [sbdNode("worker-1", 1), sbdNode("worker-9", 3)];
  assert.deepEqual(ownStatus(armedAgent(), others, WALL_MS, PASSED).unhealthyPeers, []);
  assert.deepEqual(ownStatus(armedAgent(), [], WALL_MS, PASSED).unhealthyPeers, []);
  const deleted = [sbdNode("worker-3", 3, { deleted: true })];
  assert.equal(ownStatus(armedAgent(), deleted, WALL_MS, PASSED).unhealthyPeers?.length, 1);
});

test("a peer that has not moved is no unhealthy peer before it was watched for T", () => {
  const peers = [{ nodeID: 3, nodeName: "worker-3", moving: false, movedAgeMs: null }];
  const unhealthy = (watchedForMs: number | null): unknown =>
    ownStatus(armedAgent({ peers, watchedForMs }), PEERS, WALL_MS, PASSED).unhealthyPeers;
  assert.deepEqual(unhealthy(null), []);
  assert.deepEqual(unhealthy(5_999), []);
  assert.deepEqual(unhealthy(6_000), [{ nodeID: 3, nodeName: "worker-3" }]);
});

test("slots that nobody holds, and those of SBDNodes on their way out, are attested stale", () => {
  const agent = armedAgent({
    stillSlots: [
      { nodeID: 2, content: "Heartbeat", bootID: OTHER_BOOT_ID, stillMs: 20_500 },
      { nodeID: 3, content: "Heartbeat", bootID: OTHER_BOOT_ID, stillMs: 20_500 },
      { nodeID: 8, content: "GoHeartbeat", bootID: null, stillMs: 0 },
    ],
    peers: [],
  });
  const nodes = [
    sbdNode("worker-2", 2),
    sbdNode("worker-3", 3, { deleted: true }),
    sbdNode("worker-4", 4, { deleted: true }),
  ];
  const time = "2026-01-01T00:00:10.000Z";
  assert.deepEqual(ownStatus(agent, nodes, WALL_MS, PASSED).staleSlots, [
    { nodeID: 3, content: "Heartbeat", bootID: OTHER_BOOT_ID, stillSeconds: 20, time },
    { nodeID: 8, content: "GoHeartbeat", stillSeconds: 0, time },
    { nodeID: 4, content: "Empty", stillSeconds: 60, time },
  ]);
  const unread = { ...agent, watchedForMs: null };
  assert.equal(ownStatus(unread, nodes, WALL_MS, PASSED).staleSlots?.length, 2);
});

test("a slot that a living agent moves is never attested stale", () => {
  const nodes = [sbdNode("worker-2", 2, { deleted: true })];
  assert.deepEqual(ownStatus(armedAgent(), nodes, WALL_MS, PASSED).staleSlots, []);
});

const message = (changes: Parameters<typeof armedAgent>[0]): unknown =>
  ownStatus(armedAgent(changes), [], WALL_MS, PASSED).message;

test("trouble comes before all, then why the watchdog is not armed", () => {
  const device = { ...armedAgent().watchdogDevice, refusal: "no driver" };
  assert.equal(message({ trouble: "EIO" }), "EIO");
  assert.equal(message({ watchdog: "refused", watchdogDevice: device }), "no driver");
  assert.match(String(message({ watchdog: "refused", detectOnly: true })), /detectOnly/);
  assert.match(String(message({ life: "latched" })), /fence message/);
});

test("times alone are no change, anything else is", () => {
  const material = (
    changes: Parameters<typeof armedAgent>[0] = {},
    wallMs = WALL_MS,
    passed: string | null = PASSED,
  ): string => materialPart(ownStatus(armedAgent(changes), PEERS, wallMs, passed), 16_000);
  assert.equal(
    material(),
    material({ passLatencyMs: 30 }, WALL_MS + 7, "2026-01-01T00:00:10.900Z"),
  );
  assert.notEqual(material(), material({ watchdog: "unarmed" }));
  assert.notEqual(material(), material({ trouble: "EIO" }));
  assert.notEqual(material(), material({ peers: [] }));
  assert.notEqual(material(), material({}, WALL_MS, null));
  const [early, later, atM, past] = [5_000, 15_900, 16_000, 90_000].map((stillMs) => {
    const slot = { nodeID: 9, content: "Heartbeat", bootID: OTHER_BOOT_ID, stillMs } as const;
    return material({ stillSlots: [slot] });
  });
  assert.deepEqual([early === later, later === atM, atM === past], [true, false, true]);
});

function own(status: Readonly<Record<string, unknown>>): KubeObject {
  return { metadata: {}, status };
}

function says(agent: ReturnType<typeof armedAgent>, before: KubeObject): unknown {
  const { armed, leaving } = asFarAsKnown(ownStatus(agent, PEERS, WALL_MS, PASSED), agent, before);
  return { armed, leaving };
}

test("a successor that has not armed yet leaves its boot as armed and as gone as it was", () => {
  const successor = armedAgent({ watchdog: "closed" });
  const sameBoot = own({ bootID: BOOT_ID, armed: true, leaving: true });
  assert.deepEqual(says(successor, sameBoot), { armed: undefined, leaving: undefined });
  assert.deepEqual(says(armedAgent(), sameBoot), { armed: true, leaving: false });
  const refused = armedAgent({ watchdog: "refused" });
  assert.deepEqual(says(refused, sameBoot), { armed: false, leaving: false });
  const otherBoot = own({ bootID: OTHER_BOOT_ID, armed: true, leaving: true });
  assert.deepEqual(says(successor, otherBoot), { armed: false, leaving: false });
});

test("a header that the SBDConfig contradicts is said, and the node is armed all the same", () => {
  const difference = "T is 6 s in the device header and 5 s was asked for";
  const status = ownStatus(armedAgent({ difference }), PEERS, WALL_MS, PASSED);
  assert.deepEqual([status.armed, status.contract?.sbdTimeoutSeconds], [true, 6]);
  assert.equal(status.message, `${difference}: this node lives by the device header`);
});
