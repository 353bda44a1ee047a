import { missedSlots, REPORT_EVERY_MS, reportRhythm } from "../../api/report-rhythm.ts";
import type { SBDNode } from "../../api/sbd-node.ts";
import type { FencerSide } from "../../fencing/cluster/fencer-side.ts";
import { resultsWith } from "../../fencing/cluster/slot-task-results.ts";
import { createSlotTaskSide, type SlotTaskDone } from "../../fencing/cluster/slot-task-side.ts";
import { apiTimeoutMs } from "../../kube/api-timeout.ts";
import type { ClusterClock } from "../../kube/cluster-clock.ts";
import type { KubePort } from "../../kube/kube-port.ts";
import type { TroubleLog } from "../../kube/trouble-log.ts";
import type { AgentStatus, FromCore, ToCore } from "../driver/api-message.ts";
import { eventsBetween, type NodeEvent } from "./agent-events.ts";
import { createOwnNodeWriter } from "./own-node-writer.ts";
import { findSlot, reportedNode } from "./own-slot.ts";
import { asFarAsKnown, materialPart, ownStatus, type OwnStatus } from "./own-status.ts";
import { datePass, type PassInstant } from "./pass-instant.ts";
import { countOpenRequests } from "./vouching.ts";

export type ClusterSideParts = {
  readonly kube: KubePort;
  readonly clock: ClusterClock;
  readonly nodeName: string;
  readonly configName: string | null;
  /** As the cache has them; null before it has heard of any. */
  readonly sbdNodes: () => readonly SBDNode[] | null;
  /** Made with the time that a request may take. */
  readonly fencer: (timeoutMs: () => number) => FencerSide;
  readonly send: (message: ToCore) => void;
  readonly recordEvent: (event: NodeEvent) => void;
  readonly troubles: Pick<TroubleLog, "note">;
};

/** What an agent does with Kubernetes, for its core process, whatever stands behind the port. */
export type ClusterSide = {
  /** The core process is there, perhaps another one: it knows nothing yet. */
  connected(): void;
  /** Tells what the caches show and reports; called when they change, and about once a second. */
  review(): void;
  receive(message: FromCore): void;
};

/** What an agent and the SBDNodes come to. */
type Looked = {
  readonly agent: AgentStatus;
  readonly nodes: readonly SBDNode[];
  /** The one it reports in. */
  readonly own: SBDNode | null;
  readonly told: OwnStatus;
  readonly material: string;
  readonly missed: ReadonlySet<string>;
};

type AskVouch = FromCore & { readonly type: "ask-vouch" };

const WRITING = "reporting in the own SBDNode";
const VOUCHING = "vouching";

/** It starts no timer and reads no clock but its port. */
export function createClusterSide(parts: ClusterSideParts): ClusterSide {
  const { kube, clock, nodeName, configName, send, troubles } = parts;
  const fencer = parts.fencer(timeoutMs);
  const writer = createOwnNodeWriter(kube, { nodeName, own: ownName, timeoutMs });
  const tasks = createSlotTaskSide({
    kube,
    clock,
    timeoutMs,
    nodeName,
    sbdNodes,
    ownName,
    send,
    record: recordTask,
    troubles,
  });

  let agent: AgentStatus | null = null;
  let passed: PassInstant | null = null;
  /** The process of the agent that has said it leaves: whatever it said before is out of date. */
  let leavingProcess: string | null = null;
  let writing = false;
  let written: { readonly material: string; readonly atMs: number } | null = null;
  let looked: Looked | null = null;
  let vouching = false;
  let nextVouch: AskVouch | null = null;

  function timeoutMs(): number {
    return apiTimeoutMs(agent?.timing?.timeoutMs ?? null);
  }

  function sbdNodes(): readonly SBDNode[] {
    return parts.sbdNodes() ?? [];
  }

  function ownName(): string | null {
    return agent === null
      ? null
      : (reportedNode(sbdNodes(), agent, configName)?.metadata.name ?? null);
  }

  // What the cluster wants of the core process

  function review(): void {
    if (parts.sbdNodes() !== null) {
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
    const own = ownStatus(known, sbdNodes(), clock.wallMs(), passed?.instant ?? null);
    return leavingProcess === processOf(known) ? { ...own, leaving: true } : own;
  }

  /** What is to be told does not change while neither the agent nor an SBDNode does. */
  function lookAt(now: AgentStatus, nodes: readonly SBDNode[]): Looked {
    if (looked?.agent === now && looked.nodes === nodes) {
      return looked;
    }
    const own = reportedNode(nodes, now, configName);
    const told = status(now);
    return {
      agent: now,
      nodes,
      own,
      told,
      missed: missedSlots(nodes),
      material: materialPart(told, now.timing?.msgwaitMs ?? null),
    };
  }

  /**
   * Counted in periods of this host's clock, not from the last write: a request has every agent of the
   * cluster write often, and they are not to begin in one instant.
   */
  function isDue(own: SBDNode, { told, missed }: Looked, writtenMs: number, atMs: number): boolean {
    const everyMs = REPORT_EVERY_MS[reportRhythm(own, told, missed, fencer.hasRequests())];
    return Math.floor(atMs / everyMs) > Math.floor(writtenMs / everyMs);
  }

  function reportStatus(): void {
    // A patch made for a vouching read says the same, and must not wait for this one.
    if (agent === null || writing || vouching) {
      return;
    }
    looked = lookAt(agent, sbdNodes());
    if (looked.own === null) {
      return;
    }
    const atMs = clock.monoMs();
    const { material } = looked;
    if (written?.material === material && !isDue(looked.own, looked, written.atMs, atMs)) {
      return;
    }
    writing = true;
    writer.write(
      // Made when its turn has come: what is known may be newer by then.
      (own) => (agent === null ? {} : asFarAsKnown(status(agent), agent, own)),
      (outcome) => {
        writing = false;
        written = outcome.ok ? { material, atMs } : null;
        troubles.note(WRITING, outcome.ok ? null : outcome.error);
      },
    );
  }

  function learnStatus(now: AgentStatus): void {
    eventsBetween(agent, now).forEach(parts.recordEvent);
    agent = now;
    // Dated when it is told: a core process that is stuck tells nothing new, and must not seem well.
    const told = { ms: clock.monoMs(), wallMs: clock.wallMs() };
    passed = datePass(passed, now.lastGoodPassAgeMs, told);
    if (leavingProcess !== null && leavingProcess !== processOf(now)) leavingProcess = null;
    reportStatus();
  }

  // What the core process asks

  /**
   * Patches are made one at a time, and of the questions that come meanwhile the last one counts. The
   * next patch does not wait for the list: where the API is slow, an answer comes for each patch.
   */
  function answerVouch(asked: AskVouch): void {
    const asker = agent;
    if (asker === null) {
      return;
    }
    if (vouching) {
      nextVouch = asked;
      return;
    }
    vouching = true;
    if (asked.leaving) leavingProcess = processOf(asker);
    writer.write(
      (own) => ({
        ...asFarAsKnown(status(agent ?? asker), agent ?? asker, own),
        armed: asked.armed,
        lastVouchTime: new Date(clock.wallMs()).toISOString(),
      }),
      (patched) => {
        vouching = false;
        const next = nextVouch;
        nextVouch = null;
        if (next !== null) answerVouch(next);
        if (!patched.ok) {
          troubles.note(VOUCHING, patched.error);
          return;
        }
        const asking = { nodeName, bootID: asker.bootID, timeoutMs: timeoutMs() };
        countOpenRequests(kube, patched.reply, asking, (counted) => {
          troubles.note(VOUCHING, counted.ok ? null : counted.error);
          if (counted.ok) send({ type: "vouch-read", id: asked.id, openRequests: counted.reply });
        });
      },
    );
  }

  function recordTask(done: SlotTaskDone): void {
    writer.write(
      (own) => ({ slotTaskResults: resultsWith(own, done, clock.wallMs()) }),
      (outcome) => troubles.note("recording a slot task", outcome.ok ? null : outcome.error),
    );
  }

  return {
    connected() {
      tasks.connected();
      review();
      fencer.connected();
    },
    review,
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
          answerVouch(message);
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
