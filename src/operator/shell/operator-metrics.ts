import { Counter, Gauge, Histogram, type Registry } from "prom-client";

import { ERROR_CLASSES, type ErrorClass } from "../../kube/error-class.ts";
import { createMetricsRegistry } from "../../program/metrics-registry.ts";
import { FencingTally } from "./fencing-tally.ts";
import { isOpen, nodeNameOf, type Snapshot } from "../snapshot.ts";

export type OperatorMetricsSource = {
  readonly isLeading: () => boolean;
  /** Null until the caches are filled. */
  readonly snapshot: () => Snapshot | null;
  readonly wallMs: () => number;
};

type Row = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

export type OperatorMetrics = {
  readonly registry: Registry;
  /** The leader has looked at this. */
  readonly noteLook: (seen: Snapshot) => void;
  readonly noteFollowing: () => void;
  readonly noteFailure: (errorClass: ErrorClass) => void;
};

/** Around T + 2W of usual contracts, seconds. */
const BUCKETS = [1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1_800];

/** The numbers of one operator. Those of the cluster are told by the leader alone, so that each is there once. */
export function createOperatorMetrics({
  isLeading,
  snapshot,
  wallMs,
}: OperatorMetricsSource): OperatorMetrics {
  const registry = createMetricsRegistry();
  const registers: Registry[] = [];
  registry.registerMetric(
    new Gauge({
      name: "sbd_operator_leader",
      help: "1 while this operator leads, 0 otherwise",
      registers,
      collect() {
        this.set(isLeading() ? 1 : 0);
      },
    }),
  );
  const rows = (
    name: string,
    help: string,
    labelNames: readonly string[],
    rowsOf: (seen: Snapshot) => readonly Row[],
  ): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          const seen = isLeading() ? snapshot() : null;
          for (const { labels, value } of seen === null ? [] : rowsOf(seen))
            this.set(labels, value);
        },
      }),
    );
  };
  const errors = new Counter({
    name: "sbd_reconcile_errors_total",
    help: "Writes of this operator that failed, by what that means for trying again",
    labelNames: ["class"],
    registers,
  });
  for (const errorClass of ERROR_CLASSES) errors.inc({ class: errorClass }, 0);
  const requests = new Counter({
    name: "sbd_requests_total",
    help: "Requests that ended while this operator led, by outcome and what proved the death",
    labelNames: ["outcome", "evidence"],
    registers,
  });
  const took = new Histogram({
    name: "sbd_request_seconds",
    help: "From such a request to its durable message, its proof, and the release of the node's work",
    labelNames: ["until"],
    buckets: BUCKETS,
    registers,
  });
  registry.registerMetric(errors);
  registry.registerMetric(requests);
  registry.registerMetric(took);
  const tally = new FencingTally();
  rows(
    "sbd_nodes_unarmed",
    "Nodes that an SBDConfig covers and that no armed agent guards, so that they cannot be fenced",
    ["config"],
    ({ configs }) =>
      configs.map(({ metadata, status }) => ({
        labels: { config: metadata.name },
        value: (status.nodes ?? 0) - (status.agentsArmed ?? 0),
      })),
  );
  rows(
    "sbd_fencing_pending_seconds",
    "Age of a request whose node is not proven dead yet",
    ["request_namespace", "request", "node"],
    (seen) =>
      openRequests(seen).map(({ labels, createdMs }) => ({
        labels,
        value: Math.max(0, wallMs() - createdMs) / 1_000,
      })),
  );
  rows(
    "sbd_fencing_bound_seconds",
    "M of such a request, once it has a fencer: silence proves death so long after the message",
    ["request_namespace", "request", "node"],
    (seen) =>
      openRequests(seen).flatMap(({ labels, boundSeconds }) =>
        boundSeconds === undefined ? [] : [{ labels, value: boundSeconds }],
      ),
  );
  rows(
    "sbd_fencing_duration_seconds",
    "From request to proof, of the last fencings kept in each SBDNode",
    ["request_namespace", "request", "request_uid", "node", "evidence"],
    (seen) => seen.sbdNodes.flatMap(durations),
  );
  rows(
    "sbd_fence_slot_unreadable",
    "1 while a node's agent cannot read the node's fence slot, 0 otherwise",
    ["config", "node"],
    ({ sbdNodes }) =>
      sbdNodes.map(({ spec, status }) => ({
        labels: { config: spec.configName, node: spec.nodeName },
        value: status.fenceSlotUnreadableSince === undefined ? 0 : 1,
      })),
  );
  rows(
    "sbd_config_ready",
    "1 while an SBDConfig is Ready, 0 otherwise; the reason is that of its condition",
    ["config", "reason"],
    ({ configs }) =>
      configs.flatMap(({ metadata, status }) =>
        (status.conditions ?? [])
          .filter(({ type }) => type === "Ready")
          .map((ready) => ({
            labels: { config: metadata.name, reason: ready.reason },
            value: ready.status === "True" ? 1 : 0,
          })),
      ),
  );
  return {
    registry,
    noteLook(seen) {
      for (const ended of tally.note(seen)) {
        requests.inc({ outcome: ended.outcome, evidence: ended.evidence });
        for (const [until, seconds] of [
          ["message", ended.untilMessage],
          ["proof", ended.untilProof],
          ["release", ended.untilRelease],
        ] as const) {
          if (seconds !== null) took.observe({ until }, seconds);
        }
      }
    },
    noteFollowing: () => tally.forget(),
    noteFailure: (errorClass) => errors.inc({ class: errorClass }),
  };
}

function openRequests({ remediations }: Snapshot): readonly {
  readonly labels: Readonly<Record<string, string>>;
  readonly createdMs: number;
  readonly boundSeconds: number | undefined;
}[] {
  return remediations.filter(isOpen).map((remediation) => {
    const { name, namespace, creationTimestamp } = remediation.metadata;
    const node = nodeNameOf(remediation) ?? "";
    return {
      labels: { request_namespace: namespace ?? "", request: name, node },
      createdMs: Date.parse(creationTimestamp ?? ""),
      boundSeconds: remediation.status.fencing?.boundSeconds,
    };
  });
}

function durations({ spec, status }: Snapshot["sbdNodes"][number]): readonly Row[] {
  return (status.fencings ?? []).flatMap((fencing) => {
    const { evidence, requestedTime } = fencing;
    if (evidence === undefined || requestedTime === undefined) return [];
    return [
      {
        labels: {
          request_namespace: fencing.requestNamespace,
          request: fencing.requestName,
          request_uid: fencing.requestUID,
          node: spec.nodeName,
          evidence: evidence.kind,
        },
        value: (Date.parse(evidence.time) - Date.parse(requestedTime)) / 1_000,
      },
    ];
  });
}
