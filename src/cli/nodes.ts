import type { SBDNode } from "../api/sbd-node.ts";
import { textAt, type KubeObject } from "../kube/kube-object.ts";
import { withCluster } from "./cluster-connection.ts";
import { MAY_VIEW, viewCluster, type ClusterView } from "./cluster-view.ts";
import { duration } from "./durations.ts";
import { readyOf, STATE_STYLE, statusOf, type NodeState } from "./status.ts";
import { printable, textTable } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

type NodeRow = {
  readonly node: string;
  /** Null of a node that no SBDConfig covers. */
  readonly slot: number | null;
  readonly config: string | null;
  readonly state: NodeState | "uncovered";
  readonly ready: string | null;
  readonly bootID: string | null;
  readonly machineID: string | null;
  readonly deviceUUID: string | null;
  readonly watchdog: {
    readonly identity: string | null;
    readonly driver: string | null;
    readonly timeoutSeconds: number | null;
    readonly effectiveTimeoutSeconds: number | null;
    readonly verified: boolean | null;
  } | null;
  readonly agentVersion: string | null;
  readonly lastPassAgeMs: number | null;
  /** The last one that was proven or has failed. */
  readonly lastFencing: {
    readonly outcome: string;
    readonly evidence: string | null;
    readonly time: string | null;
  } | null;
  readonly todo: string;
};

export type NodesDocument = { readonly time: string; readonly nodes: readonly NodeRow[] };

/** `sbdctl nodes`. @throws {CliError} `API` */
export async function showNodes(
  { context }: { readonly context: string | null },
  terminal: Terminal,
): Promise<void> {
  await withCluster(context, MAY_VIEW, async ({ client }) => {
    const document = nodesOf(await viewCluster(client));
    terminal.answer(document, nodesText(document));
  });
}

/** Nodes with a slot in the order of `status`, then those without. */
export function nodesOf(view: ClusterView): NodesDocument {
  const covered = statusOf(view).nodes.map((status): NodeRow => {
    const { node, slot, config, state, ready, lastPassAgeMs, todo } = status;
    const sbdNode = view.sbdNodes.find(
      ({ spec }) => spec.nodeID === slot && spec.configName === config,
    );
    return { node, slot, config, state, ready, lastPassAgeMs, todo, ...toldOf(sbdNode) };
  });
  const names = new Set(covered.map(({ node }) => node));
  const others = (view.nodes ?? [])
    .filter(({ metadata }) => !names.has(metadata.name ?? ""))
    .map((node) => uncovered(node, view));
  return { time: new Date(view.wallMs).toISOString(), nodes: [...covered, ...others] };
}

function toldOf(sbdNode: SBDNode | undefined) {
  const { bootID, machineID, deviceUUID, watchdog, agentVersion, fencings } = sbdNode?.status ?? {};
  const [last] = fencings ?? [];
  return {
    bootID: bootID ?? null,
    machineID: machineID ?? null,
    deviceUUID: deviceUUID ?? null,
    watchdog:
      watchdog === undefined
        ? null
        : {
            identity: watchdog.identity ?? null,
            driver: watchdog.driver ?? null,
            timeoutSeconds: watchdog.timeoutSeconds ?? null,
            effectiveTimeoutSeconds: watchdog.effectiveTimeoutSeconds ?? null,
            verified: watchdog.verified ?? null,
          },
    agentVersion: agentVersion ?? null,
    lastFencing:
      last === undefined
        ? null
        : {
            outcome: last.outcome,
            evidence: last.evidence?.kind ?? null,
            time: last.evidence?.time ?? last.finishedTime ?? null,
          },
  };
}

function uncovered(node: KubeObject, { configs }: ClusterView): NodeRow {
  const name = node.metadata.name ?? "";
  const excludedBy = configs.find(({ spec }) => spec.nodeExclusionList.includes(name));
  return {
    node: name,
    slot: null,
    config: null,
    state: "uncovered",
    ready: readyOf(node),
    lastPassAgeMs: null,
    ...toldOf(undefined),
    bootID: textAt(node, "status", "nodeInfo", "bootID") || null,
    todo:
      excludedBy === undefined
        ? "no SBDConfig covers it, so it cannot be fenced: see nodeSelector of the SBDConfigs"
        : `nodeExclusionList of SBDConfig ${excludedBy.metadata.name} leaves it out: it cannot be fenced`,
  };
}

function nodesText({ nodes }: NodesDocument): string {
  if (nodes.length === 0) {
    return "No node is known: you may list no Nodes, and none has a slot.";
  }
  return [
    textTable(nodes, [
      ["NODE", ({ node }) => node],
      ["SLOT", ({ slot }) => String(slot ?? "-")],
      [
        "STATE",
        ({ state }) => state,
        ({ state }) => (state === "uncovered" ? "yellow" : STATE_STYLE[state]),
      ],
      ["READY", ({ ready }) => ready ?? "-"],
      ["BOOT", ({ bootID }) => bootID?.slice(0, 8) ?? "-"],
      ["WATCHDOG", watchdogText],
      ["AGENT", ({ agentVersion }) => agentVersion ?? "-"],
      ["LAST FENCED", lastFencingText],
    ]),
    ...nodes
      .filter(({ todo }) => todo !== "")
      .map(({ node, todo }) => `! ${printable(node)}: ${printable(todo)}`),
  ].join("\n\n");
}

function watchdogText({ watchdog }: NodeRow): string {
  if (watchdog === null) return "-";
  const { identity, driver, effectiveTimeoutSeconds } = watchdog;
  const within =
    effectiveTimeoutSeconds === null ? "" : `, ${duration(effectiveTimeoutSeconds * 1_000)}`;
  return `${driver ?? identity ?? "unknown"}${within}`;
}

function lastFencingText({ lastFencing }: NodeRow): string {
  if (lastFencing === null) return "-";
  const { outcome, evidence, time } = lastFencing;
  return `${evidence ?? outcome} ${time?.slice(0, 10) ?? ""}`.trim();
}
