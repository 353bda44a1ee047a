import { SBD_NODE, parseSBDNode, type SBDNode } from "../../api/sbd-node.ts";
import { createEventRecorder, type EventSubject } from "../../kube/event-recorder.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import { parseOnce } from "../../kube/parse-once.ts";
import { resourceTypeOf } from "../../kube/resource-type.ts";
import type { LogLevel } from "../../program/log-level.ts";
import type { AgentStatus, FromCore, ToCore } from "../driver/api-message.ts";
import { eventsBetween } from "./agent-events.ts";
import { apiTimeoutMs } from "../../kube/api-timeout.ts";
import { startFencerSide } from "../../fencing/shell/live-fencer-side.ts";
import { followResource } from "../../kube/follow-resource.ts";
import { createOwnNodeWriter } from "./own-node-writer.ts";
import { findSlot, reportedNode } from "./own-slot.ts";
import { asFarAsKnown, materialPart, ownStatus, type OwnStatus } from "./own-status.ts";
import { datePass, type PassInstant } from "./pass-instant.ts";
import { resultsWith } from "../../fencing/cluster/slot-task-results.ts";
import { createSlotTaskSide, type SlotTaskDone } from "../../fencing/cluster/slot-task-side.ts";
import { kubePort } from "../../kube/kube-port.ts";
import { processClock } from "../../kube/process-clock.ts";
import { createTroubleLog } from "../../kube/trouble-log.ts";
import { countOpenRequests } from "./vouching.ts";

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

type AskVouch = FromCore & { readonly type: "ask-vouch" };

const SBD_NODES = resourceTypeOf(SBD_NODE);

const WRITING = "reporting in the own SBDNode";
const REVIEW_EVERY_MS = 1_000;
const STATUS_EVERY_MS = 5_000;

/** Follows the cluster for one agent until the process ends. */
export function createClusterSide(options: ClusterSideOptions): ClusterSide {
  const { client, nodeName, configName, send, log } = options;
  const troubles = createTroubleLog(log);
  const sbdNodeOf = parseOnce(parseSBDNode);
  const nodes = followResource(client, SBD_NODES, { troubles, onChange: review });
  const writer = createOwnNodeWriter(client, { nodeName, own: ownName, timeoutMs });
  const fencer = startFencerSide({
    client,
    name: nodeName,
    configName,
    timeoutMs,
    send,
    log,
    troubles,
  });
  const tasks = createSlotTaskSide({
    kube: kubePort(client),
    clock: processClock,
    timeoutMs,
    nodeName,
    sbdNodes,
    ownName,
    send,
    record: (done) => troubles.unlessItFails("recording a slot task", recordTask(done)),
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
  let passed: PassInstant | null = null;
  /** The process of the agent that has said it leaves: whatever it said before is out of date. */
  let leavingProcess: string | null = null;
  let writing = false;
  let written: { readonly material: string; readonly atMs: number } | null = null;
  let vouching = false;
  let nextVouch: AskVouch | null = null;

  function timeoutMs(): number {
    return apiTimeoutMs(agent?.timing?.timeoutMs ?? null);
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
      tasks.review();
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

  // What the core process reports

  function status(known: AgentStatus): OwnStatus {
    const own = ownStatus(known, sbdNodes(), Date.now(), passed?.instant ?? null);
    return leavingProcess === processOf(known) ? { ...own, leaving: true } : own;
  }

  function reportStatus(): void {
    // A patch made for a vouching read says the same, and must not wait for this one.
    if (agent === null || writing || vouching || !nodes.synced || ownName() === null) {
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
    // Dated when it is told: a core process that is stuck tells nothing new, and must not seem well.
    const told = { ms: performance.now(), wallMs: Date.now() };
    passed = datePass(passed, now.lastGoodPassAgeMs, told);
    if (leavingProcess !== null && leavingProcess !== processOf(now)) leavingProcess = null;
    reportStatus();
  }

  // What the core process asks

  /**
   * Patches are made one at a time, and of the questions that come meanwhile the last one counts. The
   * next patch does not wait for the list: where the API is slow, an answer comes for each patch.
   */
  async function answerVouch(asked: AskVouch): Promise<void> {
    const asker = agent;
    if (asker === null) {
      return;
    }
    if (vouching) {
      nextVouch = asked;
      return;
    }
    vouching = true;
    let own: KubeObject;
    try {
      own = await patchForVouch(asked, asker);
    } finally {
      vouching = false;
      const next = nextVouch;
      nextVouch = null;
      if (next !== null) troubles.unlessItFails("vouching", answerVouch(next));
    }
    const { bootID } = asker;
    const asking = { nodeName, bootID, timeoutMs: timeoutMs() };
    const openRequests = await countOpenRequests(client, own, asking);
    send({ type: "vouch-read", id: asked.id, openRequests });
  }

  async function patchForVouch(
    { leaving, armed }: AskVouch,
    asker: AgentStatus,
  ): Promise<KubeObject> {
    if (leaving) leavingProcess = processOf(asker);
    return await writer.write((own) => ({
      ...asFarAsKnown(status(agent ?? asker), agent ?? asker, own),
      armed,
      lastVouchTime: new Date().toISOString(),
    }));
  }

  async function recordTask(done: SlotTaskDone): Promise<void> {
    await writer.write((own) => ({ slotTaskResults: resultsWith(own, done, Date.now()) }));
  }

  setInterval(review, REVIEW_EVERY_MS);
  return {
    connected() {
      tasks.connected();
      review();
      fencer.connected();
    },
    receive(message) {
      switch (message.type) {
        case "status":
          learnStatus(message.status);
          return;
        case "report":
        case "ask-request":
        case "ask-node":
        case "declare":
          fencer.receive(message);
          return;
        case "ask-vouch":
          troubles.unlessItFails("vouching", answerVouch(message));
          return;
        case "ask-open-requests":
        case "slot-task-done":
          tasks.receive(message);
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
