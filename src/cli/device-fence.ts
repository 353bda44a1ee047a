import os from "node:os";

import type { Evidence } from "../fencing/evidence.ts";
import type { DevicePass } from "../fencing/shell/device-pass.ts";
import { fenceAlone, type FenceOutcome, type FenceProgress } from "../fencing/shell/fence-alone.ts";
import type { FencerReport } from "../fencing/fencer-report.ts";
import { whyUnfencable, type UnfencableReason } from "../fencing/unfencable.ts";
import type { FenceTarget } from "../fencing/fence-case.ts";
import { NO_SIGHTINGS, sightHeartbeats } from "../observation/sightings.ts";
import { readBootID } from "../platform/host-identity.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import {
  deriveTiming,
  longerContract,
  msgwaitArithmetic,
  seconds,
  TimingError,
  type Timing,
} from "../timing/contract.ts";
import { CliError } from "./cli-error.ts";
import { openDeviceClient, type DeviceClient } from "./device-client.ts";
import { readOwnDevice } from "./device-owner.ts";
import type { Json, JsonObject } from "./json.ts";
import { findNodeSlot, type NodeSlot } from "./node-slot.ts";
import { printable } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type DeviceFenceOptions = {
  /** Name or node ID. */
  readonly node: string;
  readonly path: string;
  /** UID of kube-system of the cluster whose device it must be; null: of the one that can be reached. */
  readonly clusterUID: string | null;
  /** One of the `FENCE_REASON_` constants. */
  readonly reason: number;
  readonly yes: boolean;
  /** Null: M and the slack once more. */
  readonly waitSeconds: number | null;
};

/**
 * `sbdctl device fence`.
 *
 * @throws {CliError} `NO_SUCH_NODE`, `REFUSED`, `NOT_FENCABLE`, `NOT_CONFIRMED`, `NOT_PROVEN`,
 *   `NOT_WRITTEN`, `DEVICE`, `DEVICE_SILENT`
 */
export async function fenceNode(options: DeviceFenceOptions, terminal: Terminal): Promise<void> {
  const { path } = options;
  const client = await openDeviceClient(path);
  try {
    const pass = await readOwnDevice(client, options, terminal);
    const slot = findNodeSlot(options.node, pass.heartbeats.slots);
    const target = addressable(slot, pass);
    const timing = timingOf(pass, target);
    explain(target, pass, timing, terminal);
    if (!options.yes) {
      await terminal.confirm(
        `This orders ${printable(target.nodeName)} to reset itself at once.`,
        target.nodeName,
      );
    }
    const outcome = await fence(client, options, pass, target, timing, terminal);
    conclude(outcome, target, options, terminal);
  } finally {
    await client.close();
  }
}

/** @throws {CliError} `NOT_FENCABLE`: there is no boot to address */
function addressable({ nodeID, slot }: NodeSlot, pass: DevicePass): HeartbeatRecord {
  if (slot.kind === "heartbeat") {
    return slot.record;
  }
  const why =
    slot.kind === "unreadable"
      ? slot.detail
      : (unfencable({ nodeID, nodeName: "" }, pass)?.detail ?? "");
  throw new CliError(
    "NOT_FENCABLE",
    `Slot ${nodeID} names no boot that a message could be addressed to (${why}), so nothing was ` +
      `written and the node goes on as it is. Power it off by other means.`,
  );
}

function unfencable(target: FenceTarget, { heartbeats }: DevicePass): UnfencableReason | null {
  const { heartbeats: sightings } = sightHeartbeats(NO_SIGHTINGS, heartbeats);
  return whyUnfencable(sightings.get(target.nodeID), target);
}

function timingOf({ header }: DevicePass, target: HeartbeatRecord): Timing {
  try {
    return deriveTiming(longerContract(header ?? target, target));
  } catch (error) {
    if (error instanceof TimingError) {
      throw new CliError("NOT_FENCABLE", `${error.message} Nothing was written.`);
    }
    throw error;
  }
}

function explain(
  target: HeartbeatRecord,
  pass: DevicePass,
  timing: Timing,
  terminal: Terminal,
): void {
  terminal.note(
    `No cluster is asked about the node: only the node itself can prove its death here, by acknowledging (proof ` +
      `${seconds(timing.acknowledgedWaitMs)} later) or by booting again. If it does neither, its ` +
      `silence proves nothing to this program, however long it lasts. ${msgwaitArithmetic(timing)}.`,
  );
  if (pass.header === null) {
    terminal.note("WARNING: the device has no readable header; the node's own T and W are used.");
  }
  const reason = unfencable(target, pass);
  if (reason !== null) {
    terminal.note(
      `WARNING: ${reason.detail}, so it may ignore the message, and only a new boot of it can prove ` +
        `anything.`,
    );
  }
  if (isThisBoot(target)) {
    terminal.note("WARNING: this is the node this program runs on.");
  }
}

function isThisBoot({ bootID }: HeartbeatRecord): boolean {
  try {
    return readBootID() === bootID;
  } catch {
    return false;
  }
}

function fence(
  client: DeviceClient,
  { reason, waitSeconds }: DeviceFenceOptions,
  { header }: DevicePass,
  { nodeID, nodeName }: HeartbeatRecord,
  timing: Timing,
  terminal: Terminal,
): Promise<FenceOutcome> {
  return fenceAlone({
    device: client,
    deviceUUID: header?.deviceUUID ?? null,
    fencerName: `sbdctl@${os.hostname()}`.slice(0, 63),
    target: { nodeID, nodeName },
    contract: timing,
    reason,
    waitMs: waitSeconds === null ? null : waitSeconds * 1_000,
    onProgress: (progress) => showProgress(progress, terminal),
  });
}

/** The three that a person waits for: message durable, acknowledged, proof. */
function showProgress({ report, silentMs, failure }: FenceProgress, terminal: Terminal): void {
  if (silentMs >= 2_000) {
    terminal.progress(
      "silent",
      `the device has not answered for ${Math.floor(silentMs / 1_000)} s`,
    );
    return;
  }
  if (failure !== null) {
    terminal.progress(`failed ${failure}`, `cannot read the device: ${failure}`);
    return;
  }
  if (report.evidence !== null) {
    terminal.progress("proven", `proof: ${report.evidence.kind}, ${report.evidence.detail}`);
    return;
  }
  const stood = `${Math.floor((report.durableForMs ?? 0) / 1_000)} s`;
  switch (stageOf(report)) {
    case "acknowledged":
      terminal.progress(
        "acknowledged",
        `acknowledged: the node obeys message ${report.epoch}, and its watchdog resets it by the ` +
          `time of the proof (message durable for ${stood})`,
      );
      return;
    case "durable":
      terminal.progress(
        `durable ${report.epoch}`,
        `message durable: epoch ${report.epoch} for boot ${report.bootID} stands for ${stood}, not ` +
          `acknowledged yet`,
      );
      return;
    case "writing":
      terminal.progress(`writing ${report.detail}`, `writing the message ${report.detail}`.trim());
  }
}

function stageOf({ state, missing }: FencerReport): "writing" | "durable" | "acknowledged" {
  if (state === "Waiting" || state === "Writing") {
    return "writing";
  }
  return missing.some(({ code }) => code === "ACKNOWLEDGED_WAIT") ? "acknowledged" : "durable";
}

function conclude(
  outcome: FenceOutcome,
  target: HeartbeatRecord,
  options: DeviceFenceOptions,
  terminal: Terminal,
): void {
  const name = printable(target.nodeName);
  if (outcome.kind === "proven") {
    const { report } = outcome;
    const { evidence } = report;
    if (evidence === null) {
      throw new Error("A proof without evidence");
    }
    terminal.answer(
      documentOf(report, target, options.path),
      `${name} is dead: ${evidence.kind}, ${evidence.detail}.\nThe message stands until ` +
        `'sbdctl device clear ${target.nodeID} --device ${options.path}'; a new boot ignores it.`,
    );
    return;
  }
  const { report, failure } = outcome.progress;
  const document = documentOf(report, target, options.path);
  if (outcome.kind === "not-written") {
    throw new CliError(
      "NOT_WRITTEN",
      `${name} was not fenced: ${report.detail}. It goes on running unless one of the writes lands ` +
        `later. Check the storage, then try again; or power it off by other means.`,
      document,
    );
  }
  const stands =
    report.state === "Durable"
      ? `Message ${report.epoch} for boot ${report.bootID} stands: the node resets when it reads it`
      : "It is not known whether a message stands";
  const lacks = [failure, report.detail, ...report.missing.map(({ detail }) => detail)].filter(
    (text) => text !== null && text !== "",
  );
  throw new CliError(
    "NOT_PROVEN",
    `The death of ${name} is NOT proven; treat it as running. ${stands}.\nMissing:\n` +
      `${[...new Set(lacks)].map((text) => `- ${text}`).join("\n")}\nTurn the node off and make sure ` +
      `that it is off, or run this command again to go on waiting.`,
    document,
  );
}

function documentOf(report: FencerReport, target: HeartbeatRecord, path: string): JsonObject {
  return {
    path,
    nodeId: target.nodeID,
    nodeName: target.nodeName,
    proven: report.evidence !== null,
    evidence: report.evidence === null ? null : evidenceDocument(report.evidence),
    messageStands: report.durableForMs !== null,
    epoch: report.epoch,
    bootId: report.bootID,
    machineId: report.machineID,
    durableForMs: report.durableForMs === null ? null : Math.round(report.durableForMs),
    msgwaitMs: report.msgwaitMs,
    missing: report.missing,
    unfencable: report.unfencable,
  };
}

function evidenceDocument({ kind, bootID, detail, ...more }: Evidence): JsonObject {
  const laterBootId: Json = "laterBootID" in more ? more.laterBootID : null;
  return { kind, bootId: bootID, laterBootId, detail };
}
