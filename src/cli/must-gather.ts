import fs from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";

import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { SBD_CONFIG } from "../api/sbd-config.ts";
import { SBD_NODE } from "../api/sbd-node.ts";
import { SBD_REMEDIATION } from "../api/sbd-remediation.ts";
import { SBD_REMEDIATION_TEMPLATE } from "../api/sbd-remediation-template.ts";
import type { KubeClient } from "../kube/kube-client.ts";
import { KubeError } from "../kube/kube-error.ts";
import { listAt, textAt, type KubeObject } from "../kube/kube-object.ts";
import { listObjects } from "../kube/read-objects.ts";
import {
  DAEMON_SETS,
  DEPLOYMENTS,
  EVENTS,
  JOBS,
  LEASES,
  NODES,
  objectPath,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  resourceTypeOf,
  SERVICES,
  VOLUME_ATTACHMENTS,
  type ResourceType,
} from "../kube/resource-type.ts";
import { VERSION } from "../program/version.ts";
import { CliError } from "./cli-error.ts";
import { withCluster } from "./cluster-connection.ts";
import { viewCluster } from "./cluster-view.ts";
import { nodesOf } from "./nodes.ts";
import { runInPod } from "./pod-commands.ts";
import { redactedObject, withoutSecrets } from "./redaction.ts";
import { statusOf } from "./status.ts";
import { tarArchive, type ArchivedFile } from "./tar-archive.ts";
import type { Terminal } from "./terminal.ts";

export type MustGatherOptions = {
  readonly context: string | null;
  /** Where the archive is written; null: see `directory`. */
  readonly archive: string | null;
  /** Written as files instead. */
  readonly directory: string | null;
  /** Ask the agents' pods for what is on their nodes and on the device. */
  readonly askPods: boolean;
};

/** Of which namespace objects are taken: of the operator's alone, or of all. */
const COLLECTED: readonly (readonly [type: ResourceType, where: "system" | "everywhere"])[] = [
  [resourceTypeOf(SBD_CONFIG), "everywhere"],
  [resourceTypeOf(SBD_NODE), "everywhere"],
  [resourceTypeOf(SBD_REMEDIATION), "everywhere"],
  [resourceTypeOf(SBD_REMEDIATION_TEMPLATE), "everywhere"],
  [NODES, "everywhere"],
  [PERSISTENT_VOLUMES, "everywhere"],
  [VOLUME_ATTACHMENTS, "everywhere"],
  [PODS, "system"],
  [DAEMON_SETS, "system"],
  [DEPLOYMENTS, "system"],
  [JOBS, "system"],
  [LEASES, "system"],
  [SERVICES, "system"],
  [PERSISTENT_VOLUME_CLAIMS, "system"],
];
const EVENT_SUBJECTS: ReadonlySet<string> = new Set([
  SBD_CONFIG.kind,
  SBD_NODE.kind,
  SBD_REMEDIATION.kind,
  "Node",
]);
const MAY_GATHER =
  "It takes the rights of a cluster administrator, or cluster-reader and pods/exec.";
const LOG_BYTES_MAX = 8 << 20;
const LOG_SILENCE_MS = 30_000;
const POD_COMMAND_MS = 40_000;

type Gathering = {
  readonly files: ArchivedFile[];
  /** What could not be had, and why. */
  readonly missing: string[];
};

/**
 * `sbdctl must-gather`: everything that somebody who was not there needs, in one archive. Secrets are
 * neither asked for nor kept. What cannot be had is named in it.
 *
 * @throws {CliError} `API` where the server is out of reach, `FILE`
 */
export async function mustGather(options: MustGatherOptions, terminal: Terminal): Promise<void> {
  await withCluster(options.context, MAY_GATHER, async ({ client }) => {
    const gathering: Gathering = { files: [], missing: [] };
    const view = await viewCluster(client);
    addJson(gathering, "status.json", statusOf(view));
    addJson(gathering, "nodes.json", nodesOf(view));
    addJson(gathering, "version.json", await versionsOf(client));
    for (const [type, where] of COLLECTED) {
      terminal.progress("objects", `objects: ${type.plural}`);
      await gatherObjects(client, gathering, type, where);
    }
    await gatherEvents(client, gathering);
    const pods = await orMissing(
      gathering,
      "pods",
      listObjects(client, PODS, { namespace: SYSTEM_NAMESPACE }),
    );
    for (const pod of pods?.items ?? []) {
      terminal.progress("logs", `logs: ${pod.metadata.name ?? ""}`);
      await gatherLogs(client, gathering, pod);
      if (options.askPods) await gatherNode(gathering, pod, options.context);
    }
    addText(gathering, "missing.txt", gathering.missing.map((line) => `${line}\n`).join(""));
    const place = write(gathering.files, options, view.wallMs);
    terminal.answer(
      { path: place, files: gathering.files.length, missing: gathering.missing },
      [
        `${place}: ${gathering.files.length} files.`,
        ...(gathering.missing.length === 0
          ? []
          : [`${gathering.missing.length} things could not be had: see missing.txt in it.`]),
        "Secrets are left out; look through it all the same before you give it away.",
      ].join("\n"),
    );
  });
}

async function versionsOf(client: KubeClient): Promise<unknown> {
  return { sbdctl: VERSION, server: await client.request({ method: "GET", path: "/version" }) };
}

async function gatherObjects(
  client: KubeClient,
  gathering: Gathering,
  type: ResourceType,
  where: "system" | "everywhere",
): Promise<void> {
  const within = where === "system" ? { namespace: SYSTEM_NAMESPACE } : {};
  const list = await orMissing(gathering, type.plural, listObjects(client, type, within));
  for (const object of list?.items ?? []) {
    const { name = "", namespace = "cluster" } = object.metadata;
    addText(gathering, `objects/${namespace}/${type.plural}/${name}.yaml`, yaml(object));
  }
}

/** Those of the operator's namespace, and everywhere those about what is ours. */
async function gatherEvents(client: KubeClient, gathering: Gathering): Promise<void> {
  const events = await orMissing(gathering, "events", listObjects(client, EVENTS));
  const ours = (events?.items ?? []).filter(
    (event) =>
      event.metadata.namespace === SYSTEM_NAMESPACE ||
      EVENT_SUBJECTS.has(textAt(event, "involvedObject", "kind")),
  );
  const lines = ours
    .toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))
    .map((event) => JSON.stringify(redactedObject(event)));
  addText(gathering, "events.jsonl", lines.map((line) => `${line}\n`).join(""));
}

function timeOf(event: KubeObject): string {
  return (
    textAt(event, "lastTimestamp") ||
    textAt(event, "eventTime") ||
    (event.metadata.creationTimestamp ?? "")
  );
}

/** Of this run of each container, and of the one before. */
export async function gatherLogs(
  client: KubeClient,
  gathering: Gathering,
  pod: KubeObject,
): Promise<void> {
  const { name = "", namespace = "" } = pod.metadata;
  const restarts = new Map(
    listAt(pod, "status", "containerStatuses").map((status) => [
      textAt(status, "name"),
      Number((status as { restartCount?: unknown }).restartCount ?? 0),
    ]),
  );
  for (const container of [
    ...listAt(pod, "spec", "initContainers"),
    ...listAt(pod, "spec", "containers"),
  ].map((found) => textAt(found, "name"))) {
    for (const previous of (restarts.get(container) ?? 0) > 0 ? [false, true] : [false]) {
      const path = `logs/${name}/${container}${previous ? ".previous" : ""}.log`;
      const text = await orMissing(
        gathering,
        path,
        readLog(client, { name, namespace }, container, previous),
      );
      if (text !== null) addText(gathering, path, withoutSecrets(text));
    }
  }
}

async function readLog(
  client: KubeClient,
  pod: { readonly name: string; readonly namespace: string },
  container: string,
  previous: boolean,
): Promise<string> {
  const query = {
    container,
    previous: String(previous),
    timestamps: "true",
    limitBytes: String(LOG_BYTES_MAX),
  };
  const limits = { silenceMs: LOG_SILENCE_MS };
  const stream = await client.stream(`${objectPath(PODS, pod)}/log`, query, limits);
  let text = "";
  for await (const line of stream.lines) text += `${line}\n`;
  return text;
}

/** What an agent's pod sees of its node and of the device. */
async function gatherNode(
  gathering: Gathering,
  pod: KubeObject,
  context: string | null,
): Promise<void> {
  if (pod.metadata.labels?.["app"] !== "sbd-agent") return;
  const { name = "", namespace = "" } = pod.metadata;
  const node = textAt(pod, "spec", "nodeName") || name;
  const device = textAt(
    listAt(pod, "spec", "containers")
      .flatMap((container) => listAt(container, "env"))
      .find((variable) => textAt(variable, "name") === "SBD_DEVICE_PATH"),
    "value",
  );
  for (const [file, words] of [
    ["doctor.json", ["sbdctl", "doctor", "-o", "json"]],
    ["watchdogs.json", ["sbdctl", "watchdog", "show", "-o", "json"]],
    ["device.json", ["sbdctl", "device", "show", device, "-o", "json"]],
  ] as const) {
    const place = { namespace, pod: name, container: "sbd-agent" };
    const said = await runInPod(context, place, words, POD_COMMAND_MS);
    const path = `on-nodes/${node}/${file}`;
    if (typeof said === "string") {
      gathering.missing.push(`${path}: ${said}`);
    } else {
      addText(gathering, path, withoutSecrets(said.stdout || said.stderr));
    }
  }
}

/** Null, and a line in what is missing, where the server does not hand it out. */
async function orMissing<T>(
  gathering: Gathering,
  what: string,
  asked: Promise<T>,
): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    gathering.missing.push(`${what}: ${error.message}`);
    return null;
  }
}

function yaml(object: KubeObject): string {
  return stringify(redactedObject(object));
}

function addJson(gathering: Gathering, path: string, value: unknown): void {
  addText(gathering, path, `${JSON.stringify(value, null, 2)}\n`);
}

function addText({ files }: Gathering, path: string, text: string): void {
  files.push({ path: `sbd-must-gather/${path}`, content: Buffer.from(text, "utf8") });
}

function write(
  files: readonly ArchivedFile[],
  { archive, directory }: MustGatherOptions,
  wallMs: number,
): string {
  const stamp = new Date(wallMs).toISOString().replaceAll(/[:.]/g, "-");
  const path = directory ?? archive ?? `sbd-must-gather-${stamp}.tar.gz`;
  try {
    if (directory === null) {
      fs.writeFileSync(path, tarArchive(files, wallMs));
    } else {
      for (const file of files) {
        const target = join(directory, file.path);
        fs.mkdirSync(dirname(target), { recursive: true });
        fs.writeFileSync(target, file.content);
      }
    }
  } catch (error) {
    throw new CliError(
      "FILE",
      `What was gathered could not be written to ${path}: ${String(error)}.`,
    );
  }
  return path;
}
