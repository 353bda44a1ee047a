import { parseSBDConfig, SBD_CONFIG } from "../../api/sbd-config.ts";
import { SBD_NODE } from "../../api/sbd-node.ts";
import { parseSBDRemediation, SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { parseOnce } from "../../kube/parse-once.ts";
import { getObject, listObjects } from "../../kube/read-objects.ts";
import { NODES, resourceTypeOf } from "../../kube/resource-type.ts";
import type { LogLevel } from "../../program/log-level.ts";
import type { FromFencer, ToFencer } from "../../fencing/driver/fencer-message.ts";
import { assignmentsOf, type Assignment } from "./assignments.ts";
import { followResource } from "./follow-resource.ts";
import { nodeReading, requestReading } from "./readings.ts";
import { createRequestWriter } from "./request-writer.ts";
import type { TroubleLog } from "./trouble-log.ts";

export type FencerSideOptions = {
  readonly client: KubeClient;
  /** As `status.fencing.agent` has it: a node's name, or a Deployment's. */
  readonly name: string;
  /** Whose requests count; null: every SBDConfig's. */
  readonly configName: string | null;
  readonly timeoutMs: () => number;
  readonly send: (message: ToFencer) => void;
  readonly log: (level: LogLevel, message: string) => void;
  readonly troubles: TroubleLog;
};

/** What a fencer wants of Kubernetes: its orders, its questions, its reports. */
export type FencerSide = {
  /** Whoever fences is there, perhaps another one: it knows nothing yet. */
  connected(): void;
  receive(message: FromFencer): void;
  /** Takes all orders back, and gives none any more. */
  close(): void;
};

const SBD_NODES = resourceTypeOf(SBD_NODE);
const SBD_CONFIGS = resourceTypeOf(SBD_CONFIG);
const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);

const REVIEW_EVERY_MS = 1_000;
/** Orders are said again, for a core process that could not take them yet. */
const ORDER_AGAIN_AFTER_MS = 2_000;
/** Requests are few and urgent. */
const REQUESTS_RESYNC_MS = 10_000;

/** Follows the requests that name this fencer until it is closed. */
export function createFencerSide(options: FencerSideOptions): FencerSide {
  const { client, name, configName, timeoutMs, send, log, troubles } = options;
  const configOf = parseOnce(parseSBDConfig);
  const requestOf = parseOnce(parseSBDRemediation);
  const following = { troubles, onChange: review };
  const requests = followResource(client, SBD_REMEDIATIONS, {
    ...following,
    resyncMs: REQUESTS_RESYNC_MS,
  });
  const configs = followResource(client, SBD_CONFIGS, following);
  const writer = createRequestWriter(client, {
    agent: name,
    timeoutMs,
    refOf: (uid) => assigned.get(uid)?.ref ?? null,
    cached: (ref) => requests.get(ref.name, ref.namespace),
    onDeclared: (uid) => send({ type: "declared", uid }),
    log,
    troubles,
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
        requests.snapshot().flatMap((raw) => {
          const parsed = requestOf(raw);
          return parsed.ok ? [{ raw, parsed: parsed.value }] : [];
        }),
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

  async function answerRequest(id: number, uid: string): Promise<void> {
    const ref = assigned.get(uid)?.ref;
    if (ref === undefined) {
      const detail = "this agent is not named for it any more";
      const reading = { granted: false, detail, epoch: 0, confirmation: null };
      send({ type: "request-read", id, reading });
      return;
    }
    const found = await getObject(client, SBD_REMEDIATIONS, ref, { timeoutMs: timeoutMs() });
    send({ type: "request-read", id, reading: requestReading(found, uid, name) });
  }

  async function answerNode(id: number, target: string): Promise<void> {
    const limits = { timeoutMs: timeoutMs() };
    const [node, list] = await Promise.all([
      getObject(client, NODES, { name: target }, limits),
      listObjects(client, SBD_NODES, limits),
    ]);
    send({ type: "node-read", id, reading: nodeReading(node, list.items, target) });
  }

  function heardReport({ report }: FromFencer & { readonly type: "report" }): void {
    if (assigned.has(report.uid)) {
      writer.report(report);
    } else if (requests.synced && configs.synced) {
      send({ type: "withdraw", uid: report.uid });
    }
  }

  const timer = setInterval(review, REVIEW_EVERY_MS);
  return {
    connected() {
      orderedMs = -Infinity;
      review();
    },
    receive(message) {
      switch (message.type) {
        case "report":
          heardReport(message);
          return;
        case "ask-request":
          troubles.unlessItFails("reading a request", answerRequest(message.id, message.uid));
          return;
        case "ask-node":
          troubles.unlessItFails("reading a Node", answerNode(message.id, message.nodeName));
          return;
        case "declare":
          writer.declare(message.uid, message.evidence, message.record);
          return;
      }
    },
    close() {
      closed = true;
      clearInterval(timer);
      requests.close();
      configs.close();
      order(new Map());
    },
  };
}
