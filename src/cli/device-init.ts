import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

import { hostClock } from "../platform/host-clock.ts";
import {
  DEVICE_FORMAT_VERSION,
  type DeviceHeader,
  type OnStorageLoss,
} from "../protocol/device-header.ts";
import type { StorageReach } from "../platform/storage-reach.ts";
import { strideFor } from "../protocol/layout.ts";
import {
  defaultWatchdogMs,
  deriveTiming,
  msgwaitArithmetic,
  seconds,
  TimingError,
  type Timing,
} from "../timing/contract.ts";
import { NIL_UUID, whyNotOwned } from "../timing/device-agreement.ts";
import { CliError } from "./cli-error.ts";
import { activityBetween, describeActivity } from "./device-activity.ts";
import {
  answerOf,
  DeviceFailure,
  GIVE_UP_MS,
  openDeviceClient,
  type DeviceClient,
} from "./device-client.ts";
import { headerDocument, timingDocument } from "./device-document.ts";
import {
  longestSilenceMs,
  mayBeLive,
  refusalsOf,
  type ClusterClaim,
  type Refusal,
} from "./device-refusals.ts";
import type { DeviceSurvey, InitialisedDevice } from "./device-survey.ts";
import { textFields } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type DeviceInitOptions = {
  readonly path: string;
  readonly timeoutSeconds: number;
  /** Null: half of T. */
  readonly watchdogTimeoutSeconds: number | null;
  readonly onStorageLoss: OnStorageLoss;
  readonly clusterName: string;
  readonly force: boolean;
  /** The SBDConfig it is for; null outside of clusters. Its own device is then left as it is. */
  readonly claim: ClusterClaim | null;
  /** It is known that no other machine sees this storage. */
  readonly localStorage: boolean;
  /** A program has made sure of what a person would be asked. */
  readonly yes: boolean;
};

const CLUSTER_NAME_MAX_BYTES = 63;
/** With --force: long enough to see an agent beat, which each does every second. */
const FORCED_LOOK_MS = 2_500;
const LOOK_EVERY_MS = 500;
/** What no --force can change. */
const UNUSABLE = new Set(["TOO_SMALL", "NO_DIRECT_IO", "UNSUPPORTED_BLOCK_SIZE", "HELD"]);

/**
 * `sbdctl device init`.
 *
 * @throws {CliError} `USAGE`, `REFUSED`, `DEVICE`, `DEVICE_SILENT`, `IN_USE`, `NOT_WRITTEN`
 */
export async function initDevice(options: DeviceInitOptions, terminal: Terminal): Promise<void> {
  const timing = timingOf(options);
  requireClusterName(options.clusterName);
  const { path, claim } = options;
  await question(options, timing, terminal);
  const client = await openDeviceClient(path);
  try {
    const { survey, own } = await examine(client, options, timing, terminal);
    if (own !== null) {
      const kept = deriveTiming(own);
      terminal.answer(
        { path, outcome: "kept", header: headerDocument(own), timing: timingDocument(kept) },
        `${path} is initialised for this SBDConfig already, and was left as it is.\n\n${textOf(own, kept)}`,
      );
      return;
    }
    const header: DeviceHeader = {
      formatVersion: DEVICE_FORMAT_VERSION,
      deviceUUID: randomUUID(),
      generation: survey.header.kind === "header" ? survey.header.header.generation + 1 : 1,
      strideBytes: strideFor(survey.logicalBlockBytes),
      configUID: claim?.configUID ?? NIL_UUID,
      clusterUID: claim?.clusterUID ?? NIL_UUID,
      clusterName: options.clusterName,
      timeoutMs: timing.timeoutMs,
      watchdogMs: timing.watchdogMs,
      onStorageLoss: options.onStorageLoss,
      createdNs: hostClock.wallNs(),
    };
    await write(client, path, header, terminal);
    terminal.answer(
      {
        path,
        outcome: "initialised",
        header: headerDocument(header),
        timing: timingDocument(timing),
      },
      `${path} is initialised.\n\n${textOf(header, timing)}`,
    );
  } finally {
    await client.close();
  }
}

function timingOf({ timeoutSeconds, watchdogTimeoutSeconds }: DeviceInitOptions): Timing {
  const timeoutMs = timeoutSeconds * 1_000;
  try {
    const watchdogMs =
      watchdogTimeoutSeconds === null
        ? defaultWatchdogMs(timeoutMs)
        : watchdogTimeoutSeconds * 1_000;
    return deriveTiming({ timeoutMs, watchdogMs });
  } catch (error) {
    if (error instanceof TimingError) {
      throw new CliError("USAGE", error.message);
    }
    throw error;
  }
}

function requireClusterName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes > CLUSTER_NAME_MAX_BYTES) {
    throw new CliError(
      "USAGE",
      `The cluster's name has ${bytes} bytes and the device header has room for ` +
        `${CLUSTER_NAME_MAX_BYTES}; nothing was written. Give a shorter --cluster.`,
    );
  }
}

/** T is to outlive a storage failover, W is what the watchdog takes: the other way round is a slip of the pen. */
async function question(
  { path, claim, yes }: DeviceInitOptions,
  { timeoutMs, watchdogMs }: Timing,
  terminal: Terminal,
): Promise<void> {
  if (watchdogMs <= timeoutMs) {
    return;
  }
  const what =
    `W = ${seconds(watchdogMs)} is longer than T = ${seconds(timeoutMs)}: a lost node takes longer to ` +
    `be reset by its watchdog than to notice that it is lost, and M counts W twice. Mostly the two were ` +
    `exchanged.`;
  if (claim !== null || yes) {
    terminal.note(`WARNING: ${what}`);
    return;
  }
  await terminal.confirm(what, path);
}

/** What stands on the device, once nothing stands in the way of writing over it. */
async function examine(
  client: DeviceClient,
  options: DeviceInitOptions,
  timing: Timing,
  terminal: Terminal,
): Promise<{ readonly survey: DeviceSurvey; readonly own: DeviceHeader | null }> {
  const { path, force, claim } = options;
  const { survey, signature, local } = await firstLook(client, options, terminal);
  const { header } = survey;
  if (
    header.kind === "header" &&
    claim !== null &&
    !force &&
    whyNotOwned(header.header, claim) === null
  ) {
    return { survey, own: header.header };
  }
  const refusals = [...local, ...refusalsOf(path, survey, signature, claim)];
  let last = survey;
  if (mayBeLive(refusals, survey)) {
    const silenceMs = longestSilenceMs(survey, timing);
    const watched = await watch(
      client,
      path,
      survey,
      force ? Math.min(FORCED_LOOK_MS, silenceMs) : silenceMs,
      terminal,
    );
    last = watched.survey;
    if (watched.activity !== "") {
      refusals.push({ code: "LIVE", message: liveMessage(path, watched.activity) });
    } else if (!force) {
      terminal.note(`Nothing has moved on ${path} for ${seconds(silenceMs)}.`);
    }
  }
  if (refusals.length > 0 && !force) {
    throw new CliError(
      "REFUSED",
      `Not initialised, and nothing was written.\n${listOf(refusals)}`,
      { path, refused: refusals },
    );
  }
  for (const { message } of refusals) {
    terminal.note(`WARNING, overridden by --force: ${message}`);
  }
  if (refusals.length > 0 && !options.yes) {
    await terminal.confirm(`What ${path} holds is about to be destroyed.`, path);
  }
  if (refusals.some(({ code }) => code === "DAMAGED_HEADER")) {
    terminal.note("WARNING: its generation cannot be read, so it starts again with 1.");
  }
  return { survey: last, own: null };
}

async function firstLook(
  client: DeviceClient,
  options: DeviceInitOptions,
  terminal: Terminal,
): Promise<{
  readonly survey: DeviceSurvey;
  readonly signature: string | null;
  readonly local: readonly Refusal[];
}> {
  const { path } = options;
  const ask = async (): ReturnType<typeof firstLook> => {
    const local = judgeReach(options, await client.ask({ op: "claim" }), terminal);
    await client.ask({ op: "create-files" });
    const survey = await client.ask({ op: "survey" });
    const { signature } =
      survey.header.kind === "header"
        ? { signature: null }
        : await client.ask({ op: "foreign-signature" });
    return { survey, signature, local };
  };
  const refused = ask().catch((error: unknown) => {
    if (error instanceof DeviceFailure && error.code !== null && UNUSABLE.has(error.code)) {
      throw new CliError("REFUSED", `Not initialised, and nothing was written. ${error.message}`, {
        path,
        refused: [{ code: error.code, message: error.message }],
      });
    }
    throw error;
  });
  return answerOf(terminal, path, refused, GIVE_UP_MS);
}

/** @throws {CliError} `REFUSED` for storage that goes with this machine or container */
function judgeReach(
  { path, claim, localStorage }: DeviceInitOptions,
  { reach, name }: StorageReach,
  terminal: Terminal,
): readonly Refusal[] {
  if (localStorage || reach === "device" || reach === "shared") {
    return [];
  }
  if (reach === "private") {
    const message =
      `${path} is on ${name}, which no other node can see, so nobody could be fenced through it. Use a ` +
      `block device or a shared filesystem; a demonstration on one machine says --local-storage.`;
    throw new CliError("REFUSED", `Not initialised, and nothing was written. ${message}`, {
      path,
      refused: [{ code: "PRIVATE_STORAGE", message }],
    });
  }
  const message =
    `${path} is on ${name}, a filesystem that one machine mounts: other nodes see it only if they share ` +
    `it by other means. Use a block device, or a filesystem made for several machines.`;
  if (claim !== null) {
    return [{ code: "LOCAL_STORAGE", message }];
  }
  terminal.note(`WARNING: ${message} --local-storage says that this is meant.`);
  return [];
}

/** Looks until something moves, or for `forMs`; the last look is the one to write by. */
async function watch(
  client: DeviceClient,
  path: string,
  first: DeviceSurvey,
  forMs: number,
  terminal: Terminal,
): Promise<{ readonly survey: DeviceSurvey; readonly activity: string }> {
  const startedMs = performance.now();
  terminal.progress(
    "watching",
    `Watching ${path} for ${seconds(forMs)}, in case an agent still beats on it ...`,
  );
  for (;;) {
    await delay(LOOK_EVERY_MS);
    const survey = await answerOf(terminal, path, client.ask({ op: "survey" }), GIVE_UP_MS);
    const activity = describeActivity(activityBetween(first, survey), survey);
    const elapsedMs = performance.now() - startedMs;
    if (activity !== "" || elapsedMs >= forMs) {
      return { survey, activity };
    }
    terminal.progress(
      "watching",
      `Watching ${path}: nothing moved for ${Math.floor(elapsedMs / 1_000)} of ${seconds(forMs)}`,
    );
  }
}

function liveMessage(path: string, activity: string): string {
  return (
    `${path} is in use: ${activity} moved while this program watched. Those nodes would lose their ` +
    `device and reset, all at once. Stop the agents on every node first.`
  );
}

async function write(
  client: DeviceClient,
  path: string,
  header: DeviceHeader,
  terminal: Terminal,
): Promise<void> {
  // Given up half-way it would be neither what it was nor what it is to be.
  const written = await answerOf(
    terminal,
    path,
    client.ask({ op: "initialise", header }),
    Number.POSITIVE_INFINITY,
  ).catch((error: unknown) => {
    if (error instanceof CliError) {
      throw new CliError(
        error.code,
        `${error.message} ${path} was being initialised and may be half zeroed: no agent accepts it. ` +
          `Run the command again with --force once the storage is well.`,
        error.document,
      );
    }
    throw error;
  });
  requireAsWritten(path, header, written);
}

/** A write is what can be read back, whatever the storage reported. */
function requireAsWritten(path: string, header: DeviceHeader, found: InitialisedDevice): void {
  const asWritten =
    found.header.kind === "header" && isDeepStrictEqual(found.header.header, header);
  if (!asWritten) {
    const what = found.header.kind === "unreadable" ? found.header.detail : found.header.kind;
    throw new CliError(
      "NOT_WRITTEN",
      `${path} reported the device header as written and does not hold it (${what}), so it is not ` +
        `initialised and protects nobody. Its storage loses writes, or another program initialises ` +
        `it too; do not use it before that is found out.`,
    );
  }
  const stray = [
    ...found.strayHeartbeats.map((nodeID) => `heartbeat slot ${nodeID}`),
    ...found.strayFences.map((nodeID) => `fence slot ${nodeID}`),
  ];
  if (stray.length > 0) {
    throw new CliError(
      "IN_USE",
      `${path} was initialised and is not empty: ${stray.join(", ")} held something again at once. An ` +
        `agent or a fencer writes to it, or its storage loses writes. Stop them on every node and run ` +
        `the command again with --force.`,
    );
  }
}

function listOf(refusals: readonly Refusal[]): string {
  return refusals.map(({ message }) => `- ${message}`).join("\n");
}

function textOf(header: DeviceHeader, timing: Timing): string {
  return [
    textFields([
      ["Device UUID", header.deviceUUID],
      ["Generation", String(header.generation)],
      ["Cluster", header.clusterName === "" ? "(no name)" : header.clusterName],
      ["On storage loss", header.onStorageLoss],
      ["Slot stride", `${header.strideBytes} bytes`],
    ]),
    timingText(timing),
  ].join("\n\n");
}

/** The contract with its arithmetic, for people. */
export function timingText(timing: Timing): string {
  const { timeoutMs, watchdogMs, passIntervalMs, petIntervalMs, slackMs, acknowledgedWaitMs } =
    timing;
  return [
    "Timing contract, fixed until the next initialisation:",
    textFields([
      ["  T", `${seconds(timeoutMs)}: a node that has no good pass for so long resets itself`],
      ["  W", `${seconds(watchdogMs)}: the longest its watchdog may take, whatever it reports`],
      ["  p", `min(1 s, T / 10) = ${seconds(passIntervalMs)}: from one pass to the next`],
      ["  pet", `W / 4 = ${seconds(petIntervalMs)}: from one pet to the next`],
      ["  slack", `max(2 s, 5 % of T + 2W) = ${seconds(slackMs)}`],
      ["  M", `${msgwaitArithmetic(timing).replace(/^M = /, "")}: silence proves death after it`],
      ["  ack", `2W + slack = ${seconds(acknowledgedWaitMs)}: an acknowledgement does`],
    ]),
    "T must exceed the time the storage takes to fail over.",
  ].join("\n");
}
