import fs from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { KubeClient } from "../kube/kube-client.ts";
import { fieldAt, textAt } from "../kube/kube-object.ts";
import { deleteRequests } from "./clear.ts";
import { CliError } from "./cli-error.ts";
import { withCluster } from "./cluster-connection.ts";
import { nameOf, viewCluster, type ClusterView } from "./cluster-view.ts";
import { hindrancesOf, type Hindrance } from "./drill-check.ts";
import { requestFencing } from "./fence.ts";
import { reportText } from "./fencing-report.ts";
import { fencingOf, type FencingDocument } from "./fencing-show.ts";
import { drainNode, setSchedulable } from "./node-draining.ts";
import { reportOf } from "./report.ts";
import { readyOf } from "./status.ts";
import { printable, textFields } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type DrillOptions = {
  /** One node; null: every node that has a slot, one after the other. */
  readonly nodeName: string | null;
  readonly namespace: string;
  readonly context: string | null;
  readonly yes: boolean;
  readonly dryRun: boolean;
  /** Cordon and drain before. */
  readonly drain: boolean;
  readonly drainSeconds: number;
  /** How long the node may take until it is Ready and armed in its next boot. */
  readonly backSeconds: number;
  readonly reportDirectory: string;
};

/** How one rehearsal went; times in ms, null for what did not come about. */
export type Drill = {
  readonly node: string;
  readonly request: string;
  readonly evidence: string | null;
  readonly requestToMessageMs: number | null;
  readonly messageToProofMs: number | null;
  readonly proofToReleaseMs: number | null;
  readonly requestToBackMs: number | null;
  /** M: by then silence would have proved it. */
  readonly boundMs: number | null;
  readonly withinBound: boolean | null;
  /** The file that 'sbdctl verify' takes. */
  readonly report: string | null;
};

type NodeCheck = { readonly node: string; readonly hindrances: readonly Hindrance[] };

const MAY_DRILL =
  "A drill lists and, with --drain, changes Nodes and Pods: use the account of a cluster administrator.";
const LOOK_EVERY_MS = 250;
/** A fencing that nothing proves ends by NodeHealthCheck's timeout, and a drill's has none. */
const PROOF_BEYOND_BOUND_MS = 120_000;
const RELEASE_WITHIN_SECONDS = 60;

/**
 * `sbdctl drill`: a rehearsal on a live cluster.
 *
 * @throws {CliError} `REFUSED` where something would hinder it (`FINDINGS` with --dry-run), `NOT_CONFIRMED`,
 *   `NOT_PROVEN`, `NOT_BACK`, `NO_SUCH_NODE`, `API`, `FILE`
 */
export async function drill(options: DrillOptions, terminal: Terminal): Promise<void> {
  await withCluster(options.context, MAY_DRILL, async ({ client }) => {
    const view = await viewCluster(client);
    const names = namesOf(options, view);
    const checks = names.map((node) => ({ node, hindrances: hindrancesOf(node, view) }));
    if (options.dryRun) {
      answerChecks(checks, terminal);
      return;
    }
    refuseHindered(checks);
    if (!options.yes) {
      await terminal.confirm(
        `${names.join(", ")} will be fenced for real${names.length > 1 ? ", one after the other" : ""}: ` +
          "what runs there dies and starts elsewhere.",
        options.nodeName ?? "all",
      );
    }
    const drills: Drill[] = [];
    for (const node of names) {
      // The drill before may have left something behind.
      refuseHindered([{ node, hindrances: hindrancesOf(node, await viewCluster(client)) }], drills);
      drills.push(await drillNode(client, node, options, terminal, drills));
    }
    terminal.answer({ drills }, drills.map(drillText).join("\n\n"));
  });
}

function namesOf({ nodeName }: DrillOptions, view: ClusterView): readonly string[] {
  if (nodeName !== null) return [nodeName];
  const names = view.sbdNodes
    .toSorted((a, b) => a.spec.nodeID - b.spec.nodeID)
    .map(({ spec }) => spec.nodeName);
  if (names.length === 0) {
    throw new CliError("NO_SUCH_NODE", "No node has a slot, so there is nothing to rehearse.");
  }
  return names;
}

function answerChecks(checks: readonly NodeCheck[], terminal: Terminal): void {
  const hindered = checks.filter(({ hindrances }) => hindrances.length > 0);
  const text = checks.map(checkText).join("\n");
  if (hindered.length > 0) {
    throw new CliError(
      "FINDINGS",
      `Something would hinder a fencing of ${hindered.map(({ node }) => node).join(", ")}.`,
      { checks },
      text,
    );
  }
  terminal.answer({ checks }, text);
}

function checkText({ node, hindrances }: NodeCheck): string {
  return hindrances.length === 0
    ? `${printable(node)}: nothing hinders a fencing`
    : [
        `${printable(node)}:`,
        ...hindrances.map(
          ({ code, text, remedy }) => `  ${code}: ${printable(text)}\n    -> ${printable(remedy)}`,
        ),
      ].join("\n");
}

function refuseHindered(checks: readonly NodeCheck[], drills: readonly Drill[] = []): void {
  if (checks.some(({ hindrances }) => hindrances.length > 0)) {
    throw new CliError(
      "REFUSED",
      `Nothing was fenced${drills.length > 0 ? " any more" : ""}: something stands in the way.`,
      { checks, drills },
      [...drills.map(drillText), ...checks.map(checkText)].join("\n\n"),
    );
  }
}

async function drillNode(
  client: KubeClient,
  node: string,
  options: DrillOptions,
  terminal: Terminal,
  before: readonly Drill[],
): Promise<Drill> {
  const wasSchedulable = await isSchedulable(client, node);
  if (options.drain) {
    await setSchedulable(client, node, "cordoned");
    await drainNode(client, node, options.drainSeconds * 1_000, (line) =>
      terminal.progress("drain", line),
    );
  }
  const oldBoot = bootOf(node, await viewCluster(client));
  const { metadata } = await requestFencing(client, node, options.namespace);
  const request = `${options.namespace}/${metadata.name}`;
  terminal.note(`Request ${request} fences ${node} for real.`);
  const startedMs = performance.now();
  const fencing = await followToEnd(client, request, terminal, before);
  const requestToBackMs = await waitUntilBack(client, node, oldBoot, startedMs, options, terminal);
  const view = await viewCluster(client);
  const report = writeReport(node, fencing.request.uid, view, options.reportDirectory);
  const requests = view.requests.filter((candidate) => nameOf(candidate) === request);
  const wait = { nodeName: node, waitSeconds: RELEASE_WITHIN_SECONDS };
  await deleteRequests(client, wait, requests);
  if (options.drain && wasSchedulable) await setSchedulable(client, node, "schedulable");
  return drillOf(fencing, metadata.creationTimestamp ?? null, requestToBackMs, report, view);
}

async function isSchedulable(client: KubeClient, nodeName: string): Promise<boolean> {
  const { nodes } = await viewCluster(client);
  const node = nodes?.find(({ metadata }) => metadata.name === nodeName);
  return fieldAt(node, "spec", "unschedulable") !== true;
}

/** The boot that the kubelet has told. */
function bootOf(nodeName: string, { nodes }: ClusterView): string {
  const node = nodes?.find(({ metadata }) => metadata.name === nodeName);
  return textAt(node, "status", "nodeInfo", "bootID");
}

async function followToEnd(
  client: KubeClient,
  name: string,
  terminal: Terminal,
  drills: readonly Drill[],
): Promise<FencingDocument> {
  let giveUpMs = performance.now() + PROOF_BEYOND_BOUND_MS;
  let boundKnown = false;
  for (;;) {
    const view = await viewCluster(client);
    const request = view.requests.find((candidate) => nameOf(candidate) === name);
    if (request === undefined) {
      throw new CliError("NOT_PROVEN", `${name} was deleted while it was followed.`, { drills });
    }
    const fencing = fencingOf(request, view);
    if (fencing.boundSeconds !== null && !boundKnown) {
      boundKnown = true;
      giveUpMs = performance.now() + fencing.boundSeconds * 1_000 + PROOF_BEYOND_BOUND_MS;
    }
    terminal.progress(fencing.phase ?? "", `${fencing.node}: ${fencing.phase ?? "requested"}`);
    if (fencing.outcome === "released") return fencing;
    if (fencing.outcome === "failed" || performance.now() > giveUpMs) {
      throw new CliError(
        "NOT_PROVEN",
        `The rehearsal has failed: ${fencing.message ?? "no proof, and no reason told"}. ${name} stands: ` +
          `see 'sbdctl fencing ${name}', and 'sbdctl clear ${fencing.node}' takes it back.`,
        { drills, fencing },
      );
    }
    await delay(LOOK_EVERY_MS);
  }
}

/** Ready and armed in another boot than before. */
async function waitUntilBack(
  client: KubeClient,
  node: string,
  oldBoot: string,
  startedMs: number,
  { backSeconds }: DrillOptions,
  terminal: Terminal,
): Promise<number> {
  const endMs = performance.now() + backSeconds * 1_000;
  for (;;) {
    const view = await viewCluster(client);
    const bootID = bootOf(node, view);
    const object = view.nodes?.find(({ metadata }) => metadata.name === node);
    const isBack =
      bootID !== "" &&
      bootID !== oldBoot &&
      object !== undefined &&
      readyOf(object) === "True" &&
      view.sbdNodes.some(
        ({ spec, status }) =>
          spec.nodeName === node && status.bootID === bootID && status.armed === true,
      );
    if (isBack) return performance.now() - startedMs;
    if (performance.now() > endMs) {
      throw new CliError(
        "NOT_BACK",
        `Node ${node} was proven dead and is not Ready and armed in a new boot after ${backSeconds} s. Look at ` +
          `its console; once it is back, 'sbdctl clear ${node}' takes its taint off.`,
      );
    }
    terminal.progress("back", `${node}: proven dead; waiting until it is back and armed`);
    await delay(LOOK_EVERY_MS);
  }
}

/** Null where the cluster has not kept the fencing. */
function writeReport(
  node: string,
  requestUID: string,
  { sbdNodes }: ClusterView,
  directory: string,
): string | null {
  const kept = sbdNodes
    .filter(({ spec }) => spec.nodeName === node)
    .flatMap(({ spec, status }) => (status.fencings ?? []).map((past) => ({ spec, past })))
    .find(({ past }) => past.requestUID === requestUID);
  if (kept === undefined) return null;
  const { spec, past } = kept;
  const place = { node: spec.nodeName, nodeID: spec.nodeID, config: spec.configName };
  const path = join(directory, `drill-${node}-${past.requestName}.json`);
  try {
    fs.writeFileSync(path, reportText(reportOf(place, past)));
    return path;
  } catch (error) {
    throw new CliError("FILE", `The report of the drill could not be written: ${String(error)}.`);
  }
}

function drillOf(
  fencing: FencingDocument,
  created: string | null,
  requestToBackMs: number,
  report: string | null,
  view: ClusterView,
): Drill {
  const { messageDurableTime, boundSeconds, proof, node, request } = fencing;
  const finished = view.sbdNodes
    .flatMap(({ status }) => status.fencings ?? [])
    .find(({ requestUID }) => requestUID === request.uid)?.finishedTime;
  const messageToProofMs = between(messageDurableTime, proof?.time ?? null);
  const boundMs = boundSeconds === null ? null : boundSeconds * 1_000;
  return {
    node,
    request: `${request.namespace}/${request.name}`,
    evidence: proof?.kind ?? null,
    requestToMessageMs: between(created, messageDurableTime),
    messageToProofMs,
    proofToReleaseMs: between(proof?.time ?? null, finished ?? null),
    requestToBackMs: Math.round(requestToBackMs),
    boundMs,
    withinBound: messageToProofMs === null || boundMs === null ? null : messageToProofMs <= boundMs,
    report,
  };
}

/** The API server's instants have whole seconds: what is shorter is 0. */
function between(from: string | null, to: string | null): number | null {
  return from === null || to === null ? null : Math.max(0, Date.parse(to) - Date.parse(from));
}

function time(ms: number | null): string {
  return ms === null ? "unknown" : `${ms / 1_000} s`;
}

function drillText(drilled: Drill): string {
  const { node, evidence, boundMs, withinBound, report } = drilled;
  return textFields([
    [`drill of ${node}`, evidence === null ? "proven" : `proven dead: ${evidence}`],
    ["  message", `${time(drilled.requestToMessageMs)} after the request`],
    [
      "  proof",
      `${time(drilled.messageToProofMs)} after the message; M is ${time(boundMs)}` +
        (withinBound === false ? ": LATER THAN THE CONTRACT SAYS" : ""),
    ],
    ["  release", `${time(drilled.proofToReleaseMs)} after the proof`],
    ["  back", `Ready and armed ${time(drilled.requestToBackMs)} after the request`],
    ["  report", report ?? "the cluster has not kept it"],
  ]);
}
