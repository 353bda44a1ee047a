import { deriveTiming, defaultWatchdogMs, TimingError } from "../timing/contract.ts";
import { REPORT_EVERY_MS } from "../api/report-rhythm.ts";
import type { SBDConfig } from "../api/sbd-config.ts";
import type { SBDNode } from "../api/sbd-node.ts";
import type { SBDRemediation } from "../api/sbd-remediation.ts";
import { listAt, textAt, type KubeObject } from "../kube/kube-object.ts";
import { withCluster } from "./cluster-connection.ts";
import { isOver, MAY_VIEW, nodeOf, viewCluster, type ClusterView } from "./cluster-view.ts";
import { ageMs, bar, duration } from "./durations.ts";
import { printable, textFields, textTable, type Style } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";
import { showScreen, type Screen } from "./watch-screen.ts";

export type NodeState =
  | "protected"
  | "silent"
  | "unarmed"
  | "detect-only"
  | "leaving"
  | "fenced"
  | "no-agent";

type NodeStatus = {
  readonly node: string;
  readonly slot: number;
  readonly config: string;
  readonly state: NodeState;
  readonly lastPassAgeMs: number | null;
  readonly passLatencyMs: number | null;
  readonly watchdog: string | null;
  /** Agents that see its heartbeat move, and all that could. */
  readonly seenBy: number;
  readonly peers: number;
  /** Pods that no DaemonSet owns; null where the account may not list them. */
  readonly pods: number | null;
  readonly ready: string | null;
  /** Empty where nothing is wrong. */
  readonly todo: string;
};

type RequestStatus = {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly phase: string | null;
  readonly fencer: string | null;
  readonly state: string | null;
  readonly evidence: string | null;
  readonly message: string | null;
  readonly messageDurableTime: string | null;
  /** When silence can prove the death at the earliest; null before a message stands. */
  readonly earliestBoundedTime: string | null;
};

type ConfigStatus = {
  readonly name: string;
  readonly ready: string | null;
  readonly message: string | null;
  readonly timeoutSeconds: number;
  readonly watchdogSeconds: number | null;
  readonly boundSeconds: number | null;
  readonly deviceUUID: string | null;
  readonly deviceClaim: string;
};

export type StatusDocument = {
  readonly time: string;
  readonly protected: number;
  readonly nodes: readonly NodeStatus[];
  readonly configs: readonly ConfigStatus[];
  readonly requests: readonly RequestStatus[];
  readonly leader: { readonly holder: string; readonly renewTime: string } | null;
};

/** A leader that has renewed within this leads. */
export const LEASE_ALIVE_MS = 30_000;

/** `sbdctl status`. @throws {CliError} `API` */
export async function showStatus(
  { watch, context }: { readonly watch: boolean; readonly context: string | null },
  terminal: Terminal,
): Promise<void> {
  await withCluster(context, MAY_VIEW, async ({ client }) => {
    await showScreen(watch, terminal, async (): Promise<Screen> => {
      const view = await viewCluster(client);
      const document = statusOf(view);
      return { document, text: statusText(document, view.wallMs), over: false };
    });
  });
}

export function statusOf(view: ClusterView): StatusDocument {
  const nodes = view.sbdNodes.map((sbdNode) => nodeStatus(sbdNode, view)).toSorted(byTrouble);
  return {
    time: new Date(view.wallMs).toISOString(),
    protected: nodes.filter(({ state }) => state === "protected").length,
    nodes,
    configs: view.configs.map(configStatus),
    requests: view.requests.filter((request) => !isOver(request)).map(requestStatus),
    leader: view.leader,
  };
}

function byTrouble(a: NodeStatus, b: NodeStatus): number {
  const order = Number(a.todo === "") - Number(b.todo === "");
  return order === 0 ? a.slot - b.slot : order;
}

function nodeStatus(sbdNode: SBDNode, view: ClusterView): NodeStatus {
  const { spec, status } = sbdNode;
  const config = view.configs.find(({ metadata }) => metadata.name === spec.configName);
  const timeoutMs = (config?.spec.sbdTimeoutSeconds ?? 0) * 1_000;
  const state = stateOf(sbdNode, timeoutMs, view.wallMs);
  const peers = view.sbdNodes.filter(
    (peer) =>
      peer !== sbdNode &&
      peer.spec.configName === spec.configName &&
      (ageMs(peer.status.lastPassTime, view.wallMs) ?? Infinity) <= timeoutMs + REPORTS_WITHIN_MS,
  );
  const unseen = peers.filter(({ status: { unhealthyPeers = [] } }) =>
    unhealthyPeers.some(({ nodeID }) => nodeID === spec.nodeID),
  );
  const node = view.nodes?.find(({ metadata }) => metadata.name === spec.nodeName) ?? null;
  return {
    node: spec.nodeName,
    slot: spec.nodeID,
    config: spec.configName,
    state,
    lastPassAgeMs: ageMs(status.lastPassTime, view.wallMs),
    passLatencyMs: status.passLatencyMilliseconds ?? null,
    watchdog: status.watchdog?.identity ?? status.watchdog?.path ?? null,
    seenBy: peers.length - unseen.length,
    peers: peers.length,
    pods:
      view.pods === null ? null : view.pods.filter((pod) => isWorkOf(pod, spec.nodeName)).length,
    ready: node === null ? null : readyOf(node),
    todo: todoOf(sbdNode, state, peers.length > 0 && unseen.length === peers.length),
  };
}

/** What is between two reports of an agent, and a little. */
const REPORTS_WITHIN_MS = REPORT_EVERY_MS.seldom + 10_000;

function stateOf({ status }: SBDNode, timeoutMs: number, wallMs: number): NodeState {
  const passedMs = ageMs(status.lastPassTime, wallMs);
  if (status.bootID === undefined) return "no-agent";
  if (status.fenced === true) return "fenced";
  if (passedMs === null || passedMs > timeoutMs + REPORTS_WITHIN_MS) return "silent";
  if (status.leaving === true) return "leaving";
  if (status.detectOnly === true) return "detect-only";
  return status.armed === true ? "protected" : "unarmed";
}

function todoOf({ status }: SBDNode, state: NodeState, unseen: boolean): string {
  switch (state) {
    case "no-agent":
      return "no agent has reported from here yet: see the agents' pods in sbd-system";
    case "fenced":
      return "it obeys a fence message and is about to reset";
    case "silent":
      return "its agent reports no more: the node is down, or cut off from the API server";
    case "leaving":
      return "its agent is being replaced; it is armed again within seconds";
    case "detect-only":
      return "detectOnly: it cannot be fenced; unset it in the SBDConfig";
    case "unarmed":
      return (
        status.watchdog?.refusal ??
        status.message ??
        "its watchdog is not armed: run 'sbdctl doctor' in its pod"
      );
    case "protected":
      if (status.fenceSlotUnreadableSince !== undefined) {
        return `its fence slot is unreadable since ${status.fenceSlotUnreadableSince}: see docs/operations.md`;
      }
      return unseen
        ? "no other agent sees its heartbeat: is it on the same device?"
        : (status.message ?? "");
  }
}

function isWorkOf(pod: KubeObject, nodeName: string): boolean {
  return (
    textAt(pod, "spec", "nodeName") === nodeName &&
    !["Succeeded", "Failed"].includes(textAt(pod, "status", "phase")) &&
    pod.metadata.ownerReferences?.some(({ kind }) => kind === "DaemonSet") !== true
  );
}

export function readyOf(node: KubeObject): string {
  const ready = listAt(node, "status", "conditions").find(
    (condition) => textAt(condition, "type") === "Ready",
  );
  return textAt(ready, "status") || "Unknown";
}

function configStatus({ metadata, spec, status }: SBDConfig): ConfigStatus {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  return {
    name: metadata.name,
    ready: ready?.status ?? null,
    message: ready?.message ?? status.message ?? null,
    timeoutSeconds: spec.sbdTimeoutSeconds,
    watchdogSeconds: status.watchdogTimeoutSeconds ?? spec.watchdogTimeoutSeconds ?? null,
    boundSeconds: status.boundSeconds ?? boundSeconds(spec),
    deviceUUID: status.deviceUUID ?? null,
    deviceClaim: spec.sbdDevicePVCName,
  };
}

function boundSeconds({ sbdTimeoutSeconds, watchdogTimeoutSeconds }: SBDConfig["spec"]) {
  const timeoutMs = sbdTimeoutSeconds * 1_000;
  const watchdogMs = (watchdogTimeoutSeconds ?? defaultWatchdogMs(timeoutMs) / 1_000) * 1_000;
  try {
    return deriveTiming({ timeoutMs, watchdogMs }).msgwaitMs / 1_000;
  } catch (error) {
    if (error instanceof TimingError) return null;
    throw error;
  }
}

function requestStatus(request: SBDRemediation): RequestStatus {
  const { metadata, status } = request;
  const { fencing } = status;
  const durable = fencing?.messageDurableTime;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    node: nodeOf(request),
    phase: status.phase ?? null,
    fencer: fencing?.agent ?? null,
    state: fencing?.state ?? null,
    evidence: fencing?.evidence?.kind ?? null,
    message: status.message ?? null,
    messageDurableTime: durable ?? null,
    earliestBoundedTime:
      durable === undefined || fencing?.boundSeconds === undefined
        ? null
        : new Date(Date.parse(durable) + fencing.boundSeconds * 1_000).toISOString(),
  };
}

export const STATE_STYLE: Readonly<Record<NodeState, Style>> = {
  protected: "green",
  silent: "red",
  unarmed: "red",
  "detect-only": "yellow",
  leaving: "yellow",
  fenced: "red",
  "no-agent": "red",
};

function statusText(document: StatusDocument, wallMs: number): string {
  const { nodes, configs, requests, leader } = document;
  const beingFenced =
    requests.length === 0 ? "nobody" : requests.map(({ node }) => node).join(", ");
  const renewedMs = leader === null ? null : ageMs(leader.renewTime, wallMs);
  return [
    textFields([
      ["protected", `${document.protected} of ${nodes.length}`],
      ["being fenced", beingFenced],
      [
        "leader",
        leader === null
          ? "unknown"
          : `${leader.holder}, renewed ${duration(renewedMs ?? 0)} ago` +
            ((renewedMs ?? 0) > LEASE_ALIVE_MS ? ": NOBODY LEADS, see the operator's pods" : ""),
      ],
      ...configs.flatMap((config) => [
        [
          `SBDConfig ${config.name}`,
          `Ready=${config.ready ?? "Unknown"}${config.message ? `: ${config.message}` : ""}`,
        ] as const,
        [
          "  T, W, M",
          `${config.timeoutSeconds} s, ${config.watchdogSeconds ?? "?"} s, ${config.boundSeconds ?? "?"} s`,
        ] as const,
        ["  device", `${config.deviceUUID ?? "not seen yet"} (PVC ${config.deviceClaim})`] as const,
      ]),
    ]),
    nodes.length === 0
      ? "No node has a slot yet: is there an SBDConfig, and does the operator run?"
      : textTable(nodes, [
          ["NODE", ({ node }) => node],
          ["SLOT", ({ slot }) => String(slot)],
          ["STATE", ({ state }) => state, ({ state }) => STATE_STYLE[state]],
          [
            "LAST PASS",
            ({ lastPassAgeMs, passLatencyMs }) =>
              (lastPassAgeMs === null ? "never" : `${duration(lastPassAgeMs)} ago`) +
              (passLatencyMs === null ? "" : `, ${passLatencyMs} ms`),
          ],
          ["WATCHDOG", ({ watchdog }) => watchdog ?? "-"],
          ["SEEN BY", ({ seenBy, peers }) => `${seenBy} of ${peers}`],
          ["PODS", ({ pods }) => (pods === null ? "-" : String(pods))],
        ]),
    ...nodes
      .filter(({ todo }) => todo !== "")
      .map(({ node, todo }) => `! ${printable(node)}: ${printable(todo)}`),
    ...requests.map((request) => requestText(request, wallMs)),
  ].join("\n\n");
}

function requestText(request: RequestStatus, wallMs: number): string {
  const { namespace, name, node, phase, fencer, earliestBoundedTime, messageDurableTime } = request;
  const head =
    `${printable(node)} is being fenced (${namespace}/${name}): ${phase ?? "not taken up yet"}` +
    (fencer === null ? "" : `, by ${printable(fencer)}`);
  if (request.evidence !== null) {
    return `${head}\n  proven dead: ${request.evidence}; its work is being released`;
  }
  if (earliestBoundedTime === null || messageDurableTime === null) {
    return `${head}\n  no fence message stands yet. ${printable(request.message ?? "")}`;
  }
  const dueMs = Date.parse(earliestBoundedTime);
  const startMs = Date.parse(messageDurableTime);
  const share = (wallMs - startMs) / Math.max(1, dueMs - startMs);
  const left =
    wallMs < dueMs
      ? `silence can prove it in ${duration(dueMs - wallMs)}, anything else any moment`
      : `M has passed ${duration(wallMs - dueMs)} ago: see 'sbdctl fencing ${printable(node)}'`;
  return `${head}\n  ${bar(share, 24)} ${left}`;
}
