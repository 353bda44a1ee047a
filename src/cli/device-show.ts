import { setTimeout as delay } from "node:timers/promises";

import { deriveTiming, msgwaitArithmetic, seconds, TimingError } from "../timing/contract.ts";
import { NIL_UUID } from "../timing/device-agreement.ts";
import { activityBetween } from "./device-activity.ts";
import { CliError } from "./cli-error.ts";
import { answerOf, GIVE_UP_MS, openDeviceClient } from "./device-client.ts";
import { deviceDocument, type DeviceDocument, type HeaderDocument } from "./device-document.ts";
import { findOwnCluster, whyForeign } from "./device-owner.ts";
import type { DeviceSurvey } from "./device-survey.ts";
import { textFields, textTable } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type DeviceShowOptions = {
  readonly path: string;
  /** UID of kube-system of the cluster whose device it must be; null: of the one that can be reached. */
  readonly clusterUID: string | null;
  readonly watchSeconds: number | null;
};

/** `sbdctl device show`. @throws {CliError} `DEVICE`, `DEVICE_SILENT`, `DEVICE_VERSION`, `DEVICE_FOREIGN` */
export async function showDevice(
  { path, clusterUID, watchSeconds }: DeviceShowOptions,
  terminal: Terminal,
): Promise<void> {
  const client = await openDeviceClient(path);
  try {
    const look = (): Promise<DeviceSurvey> =>
      answerOf(terminal, path, client.ask({ op: "survey" }), GIVE_UP_MS);
    const [first, cluster] = await Promise.all([look(), findOwnCluster(clusterUID)]);
    let survey = first;
    let moved: readonly number[] | null = null;
    if (watchSeconds !== null) {
      terminal.note(`Looking again in ${watchSeconds} s ...`);
      await delay(watchSeconds * 1_000);
      const before = survey;
      survey = await look();
      ({ moved } = activityBetween(before, survey));
    }
    const document = deviceDocument(survey, moved);
    const { header } = survey;
    const foreign = whyForeign(path, header.kind === "header" ? header.header : null, cluster);
    if (foreign !== null) {
      terminal.note(`WARNING: ${foreign}; the nodes that it shows may be another cluster's.`);
    }
    const text = textOf(path, survey, document);
    refuseUnreadable(path, survey, document, text);
    terminal.answer(document, text);
  } finally {
    await client.close();
  }
}

/** A script that asks for a device must not take one that tells nothing for a healthy one. */
function refuseUnreadable(
  path: string,
  { header, heartbeats, fences }: DeviceSurvey,
  document: DeviceDocument,
  text: string,
): void {
  if (header.kind === "unreadable") {
    switch (header.code) {
      case "BAD_MAGIC":
        throw new CliError("DEVICE_FOREIGN", foreign(path, header.detail), document, text);
      case "BAD_VERSION":
        throw new CliError(
          "DEVICE_VERSION",
          `${path} has a device header of another version (${header.detail}), so nothing is known of ` +
            `its nodes. Use the sbdctl of the version that runs on the cluster.`,
          document,
          text,
        );
      default:
        throw new CliError(
          "DEVICE",
          `The device header of ${path} cannot be read (${header.detail}), so its agents live only as ` +
            `long as the API vouches for them. Stop the agents and initialise the device again.`,
          document,
          text,
        );
    }
  }
  const slots = [...heartbeats.values(), ...fences.values()];
  if (header.kind === "empty" && slots.some(({ kind }) => kind === "unreadable")) {
    const detail = "there is no device header, and its slots hold unknown data";
    throw new CliError("DEVICE_FOREIGN", foreign(path, detail), document, text);
  }
}

function foreign(path: string, detail: string): string {
  return (
    `${path} holds somebody else's data (${detail}), so no node beats there. Check that it is the ` +
    `volume that the SBDConfig names.`
  );
}

function textOf(path: string, survey: DeviceSurvey, document: DeviceDocument): string {
  const { header, slots, fences, unreadable } = document;
  const parts = [
    `${path}: ${survey.layout === "Directory" ? "directory" : "device"}, ` +
      `${survey.sizeBytes} bytes, blocks of ${survey.logicalBlockBytes}`,
    header === null ? noHeader(survey) : headerText(header),
    slots.length === 0
      ? "No heartbeats."
      : textTable(slots, [
          ["ID", ({ nodeId }) => String(nodeId)],
          ["NODE", ({ nodeName }) => nodeName ?? "(Go agent)"],
          ["STATE", ({ state }) => state],
          ["SEQUENCE", ({ sequence }) => String(sequence)],
          ["WRITTEN", ({ timestampNs }) => wallTime(timestampNs)],
          ["BOOT", ({ bootId }) => shortBoot(bootId) ?? "-"],
          ["SEES", ({ moving }) => moving?.join(",") || "-"],
          ...(slots.some(({ moved }) => moved !== undefined)
            ? ([["MOVES", ({ moved }: (typeof slots)[number]) => (moved ? "yes" : "no")]] as const)
            : []),
        ]),
    fences.length === 0
      ? "No fence messages."
      : textTable(fences, [
          ["TARGET", ({ nodeId }) => String(nodeId)],
          ["MESSAGE", ({ state }) => state],
          ["REASON", ({ reason }) => reason],
          ["EPOCH", ({ epoch }) => String(epoch ?? "-")],
          ["FROM", ({ fencerName, senderId }) => fencerName ?? `(Go fencer ${senderId})`],
          ["WRITTEN", ({ timestampNs }) => wallTime(timestampNs)],
          ["TO BOOT", ({ targetBootId }) => shortBoot(targetBootId) ?? "any"],
        ]),
  ];
  if (unreadable.length > 0) {
    parts.push(
      textTable(unreadable, [
        ["UNREADABLE", ({ region }) => region],
        ["ID", ({ nodeId }) => String(nodeId)],
        ["WHY", ({ error }) => error],
      ]),
    );
  }
  return parts.join("\n\n");
}

function noHeader({ header, heartbeats }: DeviceSurvey): string {
  if (header.kind === "unreadable") {
    return "No readable device header; see below.";
  }
  return heartbeats.size === 0
    ? "No device header: it has not been initialised."
    : "No device header: agents of the original Go package wrote this device.";
}

function headerText(header: HeaderDocument): string {
  return textFields([
    ["Device UUID", header.deviceUuid],
    ["Generation", String(header.generation)],
    ["Cluster", header.clusterName === "" ? "(no name)" : header.clusterName],
    ["Cluster UID", header.clusterUid === NIL_UUID ? "(none)" : header.clusterUid],
    ["Created", wallTime(header.createdNs)],
    ["T, W", `${seconds(header.timeoutMs)}, ${seconds(header.watchdogMs)}`],
    ["Wait for proof", waitText(header)],
    ["On storage loss", header.onStorageLoss],
    ["Slot stride", `${header.strideBytes} bytes`],
  ]);
}

/** The contract of another program's header may be out of range. */
function waitText(header: HeaderDocument): string {
  try {
    return msgwaitArithmetic(deriveTiming(header));
  } catch (error) {
    if (error instanceof TimingError) {
      return error.message;
    }
    throw error;
  }
}

/** Boots of one slot are told apart by their beginning; the whole is in the JSON. */
function shortBoot(bootID: string | null): string | null {
  return bootID?.slice(0, 8) ?? null;
}

/** A clock of whoever wrote it, to the second. */
export function wallTime(ns: string): string {
  const date = new Date(Number(BigInt(ns) / 1_000_000n));
  return Number.isNaN(date.getTime()) ? ns : date.toISOString().replace(/\.\d+Z$/, "Z");
}
