import { randomBytes } from "node:crypto";
import os from "node:os";

import { decideClearing } from "../fencing/clearing.ts";
import { readPass, type DevicePass } from "../fencing/shell/device-pass.ts";
import { sameFenceSlot } from "../observation/sightings.ts";
import { hostClock } from "../platform/host-clock.ts";
import type { FenceRecord, FenceSlot } from "../protocol/fence-record.ts";
import { getFenceReasonName } from "../protocol/fence-reason.ts";
import type { HeartbeatSlot } from "../protocol/heartbeat-record.ts";
import {
  defaultWatchdogMs,
  deriveTiming,
  longerContract,
  TimingError,
  type Timing,
  type TimingContract,
} from "../timing/contract.ts";
import type { Evidence } from "../fencing/evidence.ts";
import { awaitAcknowledgedDeath } from "../fencing/shell/acknowledged-death.ts";
import { CliError } from "./cli-error.ts";
import { answerOf, GIVE_UP_MS, openDeviceClient, type DeviceClient } from "./device-client.ts";
import { readOwnDevice } from "./device-owner.ts";
import { findNodeSlot, type NodeSlot } from "./node-slot.ts";
import { printable } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type DeviceClearOptions = {
  /** Name or node ID. */
  readonly node: string;
  readonly path: string;
  /** UID of kube-system of the cluster whose device it must be; null: of the one that can be reached. */
  readonly clusterUID: string | null;
  readonly yes: boolean;
  readonly force: boolean;
};

/** sbdTimeoutSeconds where nobody says another: only for what the clearing record says of M. */
const TIMEOUT_MS_DEFAULT = 30_000;

/**
 * `sbdctl device clear`.
 *
 * @throws {CliError} `NO_SUCH_NODE`, `REFUSED`, `NOT_CONFIRMED`, `NOT_WRITTEN`, `DEVICE`,
 *   `DEVICE_SILENT`
 */
export async function clearMessage(options: DeviceClearOptions, terminal: Terminal): Promise<void> {
  const { path } = options;
  const client = await openDeviceClient(path);
  try {
    const pass = await readOwnDevice(client, options, terminal);
    const node = findNodeSlot(options.node, pass.heartbeats.slots);
    const fence = pass.fences.slots.get(node.nodeID) ?? { kind: "empty" as const };
    const label = node.nodeName ?? `slot ${node.nodeID}`;
    if (isClear(fence)) {
      terminal.answer(
        { path, nodeId: node.nodeID, nodeName: node.nodeName, cleared: false },
        `No message stands for ${printable(label)}; nothing was written.`,
      );
      return;
    }
    await guardAddressee(client, fence, node, pass, options, terminal);
    await confirm(fence, node, label, options, terminal);
    const record = await replace(client, fence, node, pass, options, terminal);
    terminal.answer(
      { path, nodeId: node.nodeID, nodeName: node.nodeName, cleared: true, epoch: record.epoch },
      `The message for ${printable(label)} is cleared; its epoch ${record.epoch} is kept.`,
    );
  } finally {
    await client.close();
  }
}

function isClear(fence: FenceSlot): boolean {
  return (
    fence.kind === "empty" ||
    fence.kind === "cleared" ||
    (fence.kind === "bare-fence" && fence.message.reason === 0)
  );
}

/** Whoever clears a message before its addressee has obeyed it lets that node live. */
async function guardAddressee(
  client: DeviceClient,
  fence: FenceSlot,
  node: NodeSlot,
  pass: DevicePass,
  { path, force }: DeviceClearOptions,
  terminal: Terminal,
): Promise<void> {
  const why = whyNotDead(fence, node.slot);
  if (why === null) {
    return;
  }
  if (!force) {
    const evidence = await acknowledgedDeath(client, fence, node, pass, path, terminal);
    if (evidence !== null) {
      terminal.note(`${printable(node.nodeName ?? "")} is dead: ${evidence.detail}.`);
      return;
    }
    const label = node.nodeName ?? `slot ${node.nodeID}`;
    throw new CliError(
      "REFUSED",
      `Not cleared: ${why}, so ${printable(label)} may be running and would be left so, while ` +
        `somebody waits for its death. Make sure that it is off or has booted again, or use --force.`,
    );
  }
  terminal.note(`WARNING, overridden by --force: ${why}.`);
}

/** An armed boot that has obeyed the message is dead a while later: worth waiting for. */
async function acknowledgedDeath(
  client: DeviceClient,
  fence: FenceSlot,
  { nodeID, nodeName, slot }: NodeSlot,
  { header }: DevicePass,
  path: string,
  terminal: Terminal,
): Promise<Evidence | null> {
  if (fence.kind !== "fence" || slot.kind !== "heartbeat" || nodeName === null) {
    return null;
  }
  const death = awaitAcknowledgedDeath({
    device: client,
    deviceUUID: header?.deviceUUID ?? null,
    target: { nodeID, nodeName },
    contract: timingOf(header === null ? slot.record : longerContract(header, slot.record)),
    message: fence.record,
    onWait: (waitedMs, ofMs) =>
      terminal.progress(
        "acknowledged",
        `${printable(nodeName)} has acknowledged the message; its death is proven in ` +
          `${Math.ceil((ofMs - waitedMs) / 1_000)} s`,
      ),
  });
  // Bounded by itself, as long as the device answers.
  return answerOf(terminal, path, death, Number.POSITIVE_INFINITY);
}

/** Null where the slot shows that the addressed boot is over. */
function whyNotDead(fence: FenceSlot, slot: HeartbeatSlot): string | null {
  if (fence.kind === "fence") {
    const { targetBootID } = fence.record;
    if (slot.kind === "unreadable") {
      return "the node's heartbeat slot cannot be read";
    }
    return slot.kind === "heartbeat" && slot.record.bootID === targetBootID
      ? `boot ${targetBootID}, which the message is addressed to, is still the slot's last one`
      : null;
  }
  if (slot.kind === "empty") {
    return null;
  }
  return fence.kind === "unreadable"
    ? `the message cannot be read (${fence.detail}) and may be for the boot that beats in the slot`
    : "the message names no boot (a Go fencer wrote it) and may be for the one in the slot";
}

async function confirm(
  fence: FenceSlot,
  { nodeID, nodeName }: NodeSlot,
  label: string,
  { yes }: DeviceClearOptions,
  terminal: Terminal,
): Promise<void> {
  const what =
    fence.kind === "fence"
      ? `message ${fence.record.epoch} (${getFenceReasonName(fence.record.reason)}, by ` +
        `${printable(fence.record.fencerName)})`
      : "what stands in the fence slot";
  const warning =
    `No cluster is asked about requests: an SBDRemediation may still wait for this message, and would start its ` +
    `wait anew.`;
  if (yes) {
    terminal.note(warning);
    return;
  }
  await terminal.confirm(
    `${warning}\nThis clears ${what} for ${printable(label)}.`,
    nodeName ?? String(nodeID),
  );
}

async function replace(
  client: DeviceClient,
  fence: FenceSlot,
  { nodeID, slot }: NodeSlot,
  pass: DevicePass,
  { path }: DeviceClearOptions,
  terminal: Terminal,
): Promise<FenceRecord> {
  const nowMs = hostClock.rawMs();
  const decision = decideClearing(
    fence,
    // The administrator's word stands for the list.
    { startedMs: nowMs, openRequestUIDs: [] },
    {
      name: `sbdctl@${os.hostname()}`.slice(0, 63),
      nodeID: 0,
      targetNodeID: nodeID,
      epochFloor:
        slot.kind === "heartbeat"
          ? Math.max(slot.record.seenEpoch, slot.record.acknowledgedEpoch)
          : 0,
      nonce: randomBytes(16).toString("hex"),
      wallNs: hostClock.wallNs(),
      timing: timingOf(pass.header ?? (slot.kind === "heartbeat" ? slot.record : null)),
    },
    nowMs,
  );
  if (decision.kind !== "clear") {
    throw new Error(`A standing message is not cleared: ${decision.kind}`);
  }
  const { record, expected } = decision;
  const uuid = pass.header?.deviceUUID ?? null;
  const { replaced, readBack } = await answerOf(
    terminal,
    path,
    readPass(client, nodeID, uuid).then(() =>
      client.request({ op: "replace-fence", expected, record }),
    ),
    GIVE_UP_MS,
  );
  if (!replaced) {
    throw new CliError(
      "REFUSED",
      `Not cleared: the message has changed since it was read, so a fencer is at work. See 'sbdctl ` +
        `device show ${path}', and run the command again if it is still to be cleared.`,
    );
  }
  if (!sameFenceSlot(readBack, { kind: "cleared", record })) {
    throw new CliError(
      "NOT_WRITTEN",
      `${path} reported the clearing as written and holds ${readBack.kind} instead, so the message may ` +
        `still stand and reset the node. Check the storage, then run the command again.`,
    );
  }
  return record;
}

/** By the default where nobody on the device says another, or none that is possible. */
function timingOf(contract: TimingContract | null): Timing {
  try {
    if (contract !== null) {
      return deriveTiming(contract);
    }
  } catch (error) {
    if (!(error instanceof TimingError)) {
      throw error;
    }
  }
  return deriveTiming({
    timeoutMs: TIMEOUT_MS_DEFAULT,
    watchdogMs: defaultWatchdogMs(TIMEOUT_MS_DEFAULT),
  });
}
