import { SBD_CONFIG, parseSBDConfig } from "../../api/sbd-config.ts";
import { SBD_NODE, parseSBDNode, type SBDNode } from "../../api/sbd-node.ts";
import { SBD_REMEDIATION, parseSBDRemediation } from "../../api/sbd-remediation.ts";
import { createEventRecorder, type EventSubject } from "../../kube/event-recorder.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { parseOnce } from "../../kube/parse-once.ts";
import { getObject, listObjects } from "../../kube/read-objects.ts";
import { resourceCache, type ResourceCache } from "../../kube/resource-cache.ts";
import {
  NODES,
  resourceTypeOf,
  type ObjectRef,
  type ResourceType,
} from "../../kube/resource-type.ts";
import type { LogLevel } from "../effect.ts";
import type { AgentStatus, FromCore, ToCore } from "../shell/api-message.ts";
import { eventsBetween } from "./agent-events.ts";
import { assignmentsOf, type Assignment } from "./assignments.ts";
import { createOwnNodeWriter } from "./own-node-writer.ts";
import { findSlot, reportedNode } from "./own-slot.ts";
import { materialPart, asFarAsKnown, ownStatus, type OwnStatus } from "./own-status.ts";
import { nodeReading, requestReading } from "./readings.ts";
import { namesNode, recordedEpoch, wantsMessage } from "./request-state.ts";
import { createRequestWriter } from "./request-writer.ts";
import { openSlotTasks, resultsWith } from "./slot-task-results.ts";
import { createTroubleLog } from "./trouble-log.ts";
import { vouch } from "./vouching.ts";

export type ClusterSideOptions = {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly configName: string | null;
  readonly send: (message: ToCore) => void;
  readonly log: (level: LogLevel, message: string) => void;
};

/** What this agent does with Kubernetes, for its core process. */
export type ClusterSide = {
  /** The core process is there, perhaps another one: it knows nothing yet. */
  connected(): void;
  receive(message: FromCore): void;
};

const SBD_NODES = resourceTypeOf(SBD_NODE);
const SBD_CONFIGS = resourceTypeOf(SBD_CONFIG);
const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);

const WRITING = "reporting in the own SBDNode";
const REVIEW_EVERY_MS = 1_000;
/** Orders are said again, for a core process that could not take them yet. */
const ORDER_AGAIN_AFTER_MS = 2_000;
const TASK_AGAIN_AFTER_MS = 10_000;
const STATUS_EVERY_MS = 5_000;
/** Requests are few and urgent; SBDNodes change all the time. */
const REQUESTS_RESYNC_MS = 10_000;
/** A request's timeout: a quarter of T within these bounds, so that a vouching read ends within T/2. */
const TIMEOUT_MS_MIN = 500;
const TIMEOUT_MS_MAX = 5_000;
const TIMEOUT_MS_UNTIL_KNOWN = 2_000;

/** Follows the cluster for one agent until the process ends. */
export function createClusterSide(options: ClusterSideOptions): ClusterSide {
  const { client, nodeName, configName, send, log } = options;
  const troubles = createTroubleLog(log);
  const configOf = parseOnce(parseSBDConfig);
  const sbdNodeOf = parseOnce(parseSBDNode);
  const requestOf = parseOnce(parseSBDRemediation);
  const nodes = follow(SBD_NODES);
  const requests = follow(SBD_REMEDIATIONS, REQUESTS_RESYNC_MS);
  const configs = follow(SBD_CONFIGS);
  const writer = createOwnNodeWriter(client, { nodeName, own: ownName, timeoutMs });
  const requestWriter = createRequestWriter(client, {
    agent: nodeName,
    timeoutMs,
    refOf: (uid) => assigned.get(uid)?.ref ?? null,
    cached: ({ name, namespace }) => requests.get(name, namespace),
    onDeclared: (uid) => send({ type: "declared", uid }),
    log,
    troubles,
  });
  const recorder = createEventRecorder(client, {
    component: "sbd-agent",
    host: nodeName,
    onLost: (message) => log("debug", `an event is lost: ${message}`),
  });
  /** As the kubelet names its node in events. */
  const subject: EventSubject = { apiVersion: "v1", kind: "Node", name: nodeName, uid: nodeName };

  let agent: AgentStatus | null = null;
  /** The process of the agent that has said it leaves: whatever it said before is out of date. */
  let leavingProcess: string | null = null;
  let assigned: ReadonlyMap<string, Assignment> = new Map();
  let orderedMs = -Infinity;
  const taskSentMs = new Map<string, number>();
  let writing = false;
  let written: { readonly material: string; readonly atMs: number } | null = null;
  let vouching = false;
  let nextVouch: (FromCore & { readonly type: "ask-vouch" }) | null = null;

  function follow(type: ResourceType, resyncMs?: number): ResourceCache {
    return resourceCache(client, type, {
      onChange: review,
      onTrouble: (trouble) => troubles.note(`following ${type.plural}`, trouble),
      ...(resyncMs === undefined ? {} : { resyncMs }),
    });
  }

  function timeoutMs(): number {
    const timing = agent?.timing ?? null;
    return timing === null
      ? TIMEOUT_MS_UNTIL_KNOWN
      : Math.min(TIMEOUT_MS_MAX, Math.max(TIMEOUT_MS_MIN, timing.timeoutMs / 4));
  }

  function sbdNodes(): SBDNode[] {
    return nodes.snapshot().flatMap((object) => {
      const parsed = sbdNodeOf(object);
      return parsed.ok ? [parsed.value] : [];
    });
  }

  function ownName(): string | null {
    return agent === null
      ? null
      : (reportedNode(sbdNodes(), agent, configName)?.metadata.name ?? null);
  }

  // What the cluster wants of the core process

  function review(): void {
    if (nodes.synced) {
      reviewSlot();
      reviewTasks();
    }
    if (requests.synced && configs.synced) {
      reviewAssignments();
    }
    reportStatus();
  }

  function reviewSlot(): void {
    const found = findSlot(sbdNodes(), nodeName, configName);
    let trouble: string | null = null;
    switch (found.kind) {
      case "found":
        send({ type: "slot", nodeID: found.nodeID, sbdNode: found.sbdNode });
        break;
      case "none":
        trouble = "no SBDNode names this node: it has no slot, and cannot be fenced";
        break;
      case "several":
        trouble = `SBDNodes ${found.sbdNodes.join(" and ")} name this node: none is taken, and nothing is proven about it until the operator has removed the higher`;
        break;
    }
    troubles.note("the slot of this node", trouble);
  }

  function reviewTasks(): void {
    const nowMs = performance.now();
    for (const task of openSlotTasks(sbdNodes(), nodeName, ownName())) {
      if (nowMs - (taskSentMs.get(task.id) ?? -Infinity) >= TASK_AGAIN_AFTER_MS) {
        taskSentMs.set(task.id, nowMs);
        send({ type: "slot-task", ...task });
      }
    }
    for (const [id, atMs] of taskSentMs) {
      if (nowMs - atMs >= 2 * TASK_AGAIN_AFTER_MS) taskSentMs.delete(id);
    }
  }

  function reviewAssignments(): void {
    const before = assigned;
    assigned = assignmentsOf(
      requests.snapshot().flatMap((raw) => {
        const parsed = requestOf(raw);
        return parsed.ok ? [{ raw, parsed: parsed.value }] : [];
      }),
      configs.snapshot().flatMap((object) => {
        const parsed = configOf(object);
        return parsed.ok ? [parsed.value] : [];
      }),
      { nodeName, configName },
    );
    const nowMs = performance.now();
    const again = nowMs - orderedMs >= ORDER_AGAIN_AFTER_MS;
    if (again) orderedMs = nowMs;
    for (const [uid, { order }] of assigned) {
      if (again || !before.has(uid)) send(order);
    }
    for (const uid of before.keys()) {
      if (!assigned.has(uid)) send({ type: "withdraw", uid });
    }
  }

  // What the core process reports

  function status(known: AgentStatus): OwnStatus {
    const own = ownStatus(known, sbdNodes(), Date.now());
    return leavingProcess === processOf(known) ? { ...own, leaving: true } : own;
  }

  function reportStatus(): void {
    if (agent === null || writing || !nodes.synced || ownName() === null) {
      return;
    }
    const material = materialPart(status(agent));
    const nowMs = performance.now();
    if (written?.material === material && nowMs - written.atMs < STATUS_EVERY_MS) {
      return;
    }
    writing = true;
    void writeStatus(material, nowMs);
  }

  async function writeStatus(material: string, atMs: number): Promise<void> {
    try {
      // Made when its turn has come: what is known may be newer by then.
      await writer.write((own) => (agent === null ? {} : asFarAsKnown(status(agent), agent, own)));
      written = { material, atMs };
      troubles.note(WRITING, null);
    } catch (error) {
      written = null;
      troubles.note(WRITING, messageOf(error));
    } finally {
      writing = false;
    }
  }

  function learnStatus(now: AgentStatus): void {
    for (const { type, reason, message } of eventsBetween(agent, now)) {
      recorder.record(subject, type, reason, message);
    }
    agent = now;
    if (leavingProcess !== null && leavingProcess !== processOf(now)) leavingProcess = null;
    reportStatus();
  }

  // What the core process asks

  async function answerRequest(id: number, uid: string): Promise<void> {
    const ref: ObjectRef | undefined = assigned.get(uid)?.ref;
    if (ref === undefined) {
      const detail = "this agent is not named for it any more";
      const reading = { granted: false, detail, epoch: 0, confirmation: null };
      send({ type: "request-read", id, reading });
      return;
    }
    const found = await getObject(client, SBD_REMEDIATIONS, ref, { timeoutMs: timeoutMs() });
    send({ type: "request-read", id, reading: requestReading(found, uid, nodeName) });
  }

  async function answerNode(id: number, target: string): Promise<void> {
    const limits = { timeoutMs: timeoutMs() };
    const [node, list] = await Promise.all([
      getObject(client, NODES, { name: target }, limits),
      listObjects(client, SBD_NODES, limits),
    ]);
    send({ type: "node-read", id, reading: nodeReading(node, list.items, target) });
  }

  async function answerOpenRequests(id: number, target: string): Promise<void> {
    const list = await listObjects(client, SBD_REMEDIATIONS, { timeoutMs: timeoutMs() });
    const named = list.items.filter((request) => namesNode(request, target));
    send({
      type: "open-requests-read",
      id,
      openRequestUIDs: named.filter(wantsMessage).map(({ metadata }) => metadata.uid ?? ""),
      epochFloor: Math.max(0, ...named.map(recordedEpoch)),
    });
  }

  /** One at a time; of those asked for meanwhile the last one counts. */
  async function answerVouch(asked: FromCore & { readonly type: "ask-vouch" }): Promise<void> {
    if (vouching) {
      nextVouch = asked;
      return;
    }
    vouching = true;
    try {
      await vouchOnce(asked);
    } finally {
      vouching = false;
      const next = nextVouch;
      nextVouch = null;
      if (next !== null) unlessItFails("vouching", answerVouch(next));
    }
  }

  async function vouchOnce({
    id,
    leaving,
    armed,
  }: FromCore & { readonly type: "ask-vouch" }): Promise<void> {
    if (agent === null) {
      return;
    }
    const asker = agent;
    if (leaving) leavingProcess = processOf(asker);
    const openRequests = await vouch(client, writer, {
      nodeName,
      bootID: asker.bootID,
      status: (own) => ({ ...asFarAsKnown(status(agent ?? asker), agent ?? asker, own), armed }),
      timeoutMs: timeoutMs(),
    });
    send({ type: "vouch-read", id, openRequests });
  }

  async function recordTask(done: FromCore & { readonly type: "slot-task-done" }): Promise<void> {
    await writer.write((own) => ({ slotTaskResults: resultsWith(own, done, Date.now()) }));
  }

  /** Without an answer the core process goes by what it knows, and asks again. */
  function unlessItFails(what: string, work: Promise<void>): void {
    work.then(
      () => troubles.note(what, null),
      (error: unknown) => troubles.note(what, messageOf(error)),
    );
  }

  function heardReport({ report }: FromCore & { readonly type: "report" }): void {
    if (assigned.has(report.uid)) {
      requestWriter.report(report);
    } else if (requests.synced && configs.synced) {
      send({ type: "withdraw", uid: report.uid });
    }
  }

  setInterval(review, REVIEW_EVERY_MS);
  return {
    connected() {
      orderedMs = -Infinity;
      taskSentMs.clear();
      review();
    },
    receive(message) {
      switch (message.type) {
        case "status":
          learnStatus(message.status);
          return;
        case "report":
          heardReport(message);
          return;
        case "ask-request":
          unlessItFails("reading a request", answerRequest(message.id, message.uid));
          return;
        case "ask-node":
          unlessItFails("reading a Node", answerNode(message.id, message.nodeName));
          return;
        case "declare":
          requestWriter.declare(message.uid, message.evidence);
          return;
        case "ask-vouch":
          unlessItFails("vouching", answerVouch(message));
          return;
        case "ask-open-requests":
          unlessItFails("listing requests", answerOpenRequests(message.id, message.nodeName));
          return;
        case "slot-task-done":
          unlessItFails("recording a slot task", recordTask(message));
          return;
      }
    },
  };
}

/** A start ID without the count of starts in the process. */
function processOf({ startID }: AgentStatus): string {
  return startID.slice(0, -4);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
