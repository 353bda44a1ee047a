import { parseSBDConfig } from "../../api/sbd-config.ts";
import { isInHand } from "../../api/request-state.ts";
import { SBD_NODE } from "../../api/sbd-node.ts";
import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import type { ClusterClock } from "../../kube/cluster-clock.ts";
import type { KubeObject } from "../../kube/kube-object.ts";
import type { KubeCache, KubePort } from "../../kube/kube-port.ts";
import { parseOnce } from "../../kube/parse-once.ts";
import { NODES, resourceTypeOf } from "../../kube/resource-type.ts";
import type { TroubleLog } from "../../kube/trouble-log.ts";
import type { FromFencer, ToFencer } from "../driver/fencer-message.ts";
import { assignmentsOf, type Assignment } from "./assignments.ts";
import { nodeReading, requestReading } from "./readings.ts";
import { createRequestWriter, type RequestWriterParts } from "./request-writer.ts";

export type FencerSideParts = {
  readonly kube: KubePort;
  readonly clock: ClusterClock;
  /** SBDRemediations. */
  readonly requests: KubeCache;
  /** SBDConfigs. */
  readonly configs: KubeCache;
  /** As `status.fencing.agent` has it: a node's name, or a Deployment's. */
  readonly name: string;
  /** Whose requests count; null: every SBDConfig's. */
  readonly configName: string | null;
  readonly timeoutMs: () => number;
  readonly pack: RequestWriterParts["pack"];
  readonly send: (message: ToFencer) => void;
  readonly log: (level: "info", message: string) => void;
  readonly troubles: Pick<TroubleLog, "note">;
};

/** What a fencer wants of Kubernetes: its orders, its questions, its reports. */
export type FencerSide = {
  /** The fencer is there, perhaps another process than before: it knows nothing yet. */
  connected(): void;
  /** Gives the orders that the caches show; called when they change, and about once a second. */
  review(): void;
  receive(message: FromFencer): void;
  /** Whether any request is in hand, whoever fences for it; also where the cache cannot tell. */
  hasRequests(): boolean;
  /** Takes all orders back, and gives none any more. */
  close(): void;
};

const SBD_NODES = resourceTypeOf(SBD_NODE);
const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);

const READING_REQUEST = "reading a request";
const READING_NODE = "reading a Node";
/** Orders are said again, for a fencer that could not take them yet. */
const ORDER_AGAIN_AFTER_MS = 2_000;

/** Follows the requests that name this fencer until it is closed. */
export function createFencerSide(parts: FencerSideParts): FencerSide {
  const { kube, clock, requests, configs, name, configName, send, troubles } = parts;
  const configOf = parseOnce(parseSBDConfig);
  const writer = createRequestWriter({
    ...parts,
    agent: name,
    refOf: (uid) => assigned.get(uid)?.ref ?? null,
    cached: (ref) => requests.get(ref.name, ref.namespace),
    onDeclared: (uid) => send({ type: "declared", uid }),
  });
  let assigned: ReadonlyMap<string, Assignment> = new Map();
  let orderedMs = -Infinity;
  let closed = false;

  function review(): void {
    if (closed || !requests.synced || !configs.synced) {
      return;
    }
    order(
      assignmentsOf(
        requests.snapshot(),
        configs.snapshot().flatMap((object) => {
          const parsed = configOf(object);
          return parsed.ok ? [parsed.value] : [];
        }),
        { nodeName: name, configName },
      ),
    );
  }

  function order(now: ReadonlyMap<string, Assignment>): void {
    const before = assigned;
    assigned = now;
    const nowMs = clock.monoMs();
    const again = nowMs - orderedMs >= ORDER_AGAIN_AFTER_MS;
    if (again) orderedMs = nowMs;
    for (const [uid, { order }] of assigned) {
      if (again || !before.has(uid)) send(order);
    }
    for (const uid of before.keys()) {
      if (!assigned.has(uid)) send({ type: "withdraw", uid });
    }
  }

  function answerRequest(id: number, uid: string): void {
    const ref = assigned.get(uid)?.ref;
    if (ref === undefined) {
      const detail = "this agent is not named for it any more";
      const reading = { granted: false, detail, epoch: 0, confirmation: null, nodeBootID: "" };
      send({ type: "request-read", id, reading });
      return;
    }
    kube.get(SBD_REMEDIATIONS, ref, { timeoutMs: parts.timeoutMs() }, (got) => {
      troubles.note(READING_REQUEST, got.ok ? null : got.error);
      if (got.ok) {
        send({ type: "request-read", id, reading: requestReading(got.reply, uid, name) });
      }
    });
  }

  /** Two reads, each consistent, and not of one instant. */
  function answerNode(id: number, target: string): void {
    const limits = { timeoutMs: parts.timeoutMs() };
    let node: { readonly found: KubeObject | null } | null = null;
    let sbdNodes: readonly KubeObject[] | null = null;
    const both = (): void => {
      if (node !== null && sbdNodes !== null) {
        troubles.note(READING_NODE, null);
        send({ type: "node-read", id, reading: nodeReading(node.found, sbdNodes, target) });
      }
    };
    kube.get(NODES, { name: target }, limits, (got) => {
      if (got.ok) {
        node = { found: got.reply };
        both();
      } else {
        troubles.note(READING_NODE, got.error);
      }
    });
    kube.list(SBD_NODES, limits, (listed) => {
      if (listed.ok) {
        sbdNodes = listed.reply.items;
        both();
      } else {
        troubles.note(READING_NODE, listed.error);
      }
    });
  }

  function heardReport({ report }: FromFencer & { readonly type: "report" }): void {
    if (assigned.has(report.uid)) {
      writer.report(report);
    } else if (requests.synced && configs.synced) {
      send({ type: "withdraw", uid: report.uid });
    }
  }

  return {
    connected() {
      orderedMs = -Infinity;
      review();
    },
    review,
    receive(message) {
      switch (message.type) {
        case "report":
          heardReport(message);
          return;
        case "ask-request":
          answerRequest(message.id, message.uid);
          return;
        case "ask-node":
          answerNode(message.id, message.nodeName);
          return;
        case "declare":
          writer.declare(message.uid, message.evidence, message.record);
          return;
      }
    },
    hasRequests: () => !requests.synced || requests.snapshot().some(isInHand),
    close() {
      closed = true;
      order(new Map());
    },
  };
}
