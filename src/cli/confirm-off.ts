import { setTimeout as delay } from "node:timers/promises";

import { SBD_NODE } from "../api/sbd-node.ts";
import { parseSBDRemediation, SBD_REMEDIATION } from "../api/sbd-remediation.ts";
import type { KubeClient } from "../kube/kube-client.ts";
import { textAt } from "../kube/kube-object.ts";
import { getObject, listObjects } from "../kube/read-objects.ts";
import { NODES, resourceTypeOf } from "../kube/resource-type.ts";
import { patchObject } from "../kube/write-objects.ts";
import { CliError } from "./cli-error.ts";
import { withCluster, type ClusterConnection } from "./cluster-connection.ts";
import { findConfirmable, type Confirmable, type ConfirmationTarget } from "./confirmable.ts";
import type { JsonObject } from "./json.ts";
import { printable, textFields } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type ConfirmOffOptions = ConfirmationTarget & {
  /** A context of the kubeconfig; null: its current one. */
  readonly context: string | null;
  /** Who says so, where an account is shared; null: the account alone. */
  readonly by: string | null;
  readonly yes: boolean;
  /** How long to wait for the proof; null: not at all. */
  readonly waitSeconds: number | null;
};

/** What was recorded. */
type Confirmation = {
  readonly requestUID: string;
  readonly bootID: string;
  readonly by: string;
  /** RFC 3339. */
  readonly time: string;
};

const SBD_NODES = resourceTypeOf(SBD_NODE);
const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);
/** The fencer reports in the same object every few seconds. */
const WRITE_ATTEMPTS_MAX = 10;
const LOOK_EVERY_MS = 500;

/**
 * `sbdctl confirm-off`: records an administrator's word that one boot of a node is off.
 *
 * @throws {CliError} `API`, `NO_SUCH_NODE`, `REFUSED`, `NOT_CONFIRMED`, `NOT_PROVEN`
 */
export async function confirmOff(options: ConfirmOffOptions, terminal: Terminal): Promise<void> {
  await withCluster(
    options.context,
    "ClusterRole sbd-confirm-off has the rights that this takes.",
    (connection) => confirmOn(connection, options, terminal),
  );
}

async function confirmOn(
  { client, server }: ClusterConnection,
  options: ConfirmOffOptions,
  terminal: Terminal,
): Promise<void> {
  const by = await askWho(client, options.by);
  const found = findConfirmable(options, await look(client, options.nodeName));
  terminal.note(describe(options.nodeName, found, by, server));
  const known = found.confirmed;
  let confirmation: Confirmation;
  if (known !== null && known.requestUID === found.request.uid && known.bootID === found.bootID) {
    terminal.note(`${printable(known.by)} has said so at ${known.time}: nothing was written.`);
    confirmation = known;
  } else {
    await askPerson(options, found, terminal);
    confirmation = await write(client, options, found, by);
    terminal.note(`Recorded at ${confirmation.time}.`);
  }
  const document = documentOf(options.nodeName, found, confirmation);
  if (options.waitSeconds === null) {
    terminal.answer(document, nextStep(found));
    return;
  }
  const evidence = await awaitProof(client, found, options.waitSeconds, document, terminal);
  terminal.answer(
    { ...document, evidence },
    `${printable(options.nodeName)} is proven dead (${evidence}).`,
  );
}

/** The account as the API server knows it, which is whom admission takes the word from. */
async function askWho(client: KubeClient, person: string | null): Promise<string> {
  const review = await client.request({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
  });
  const account = textAt(review, "status", "userInfo", "username");
  return person === null ? account : `${account} (${person})`;
}

async function look(
  client: KubeClient,
  nodeName: string,
): Promise<Parameters<typeof findConfirmable>[1]> {
  const [node, sbdNodes, requests] = await Promise.all([
    getObject(client, NODES, { name: nodeName }),
    listObjects(client, SBD_NODES),
    listObjects(client, SBD_REMEDIATIONS),
  ]);
  return { node, sbdNodes: sbdNodes.items, requests: requests.items, wallMs: Date.now() };
}

async function askPerson(
  { nodeName, yes }: ConfirmOffOptions,
  { bootID }: Confirmable,
  terminal: Terminal,
): Promise<void> {
  const warning =
    `This says that boot ${bootID} of ${printable(nodeName)} is off for good, and its work is started ` +
    `elsewhere at once. If it runs, data is corrupted: look at the machine itself, not at the network.`;
  if (yes) {
    terminal.note(warning);
    return;
  }
  await terminal.confirm(warning, nodeName);
}

/** What was asked about must still be so when it is written, each time that it is tried. */
async function write(
  client: KubeClient,
  options: ConfirmOffOptions,
  shown: Confirmable,
  by: string,
): Promise<Confirmation> {
  for (let attempt = 1; attempt <= WRITE_ATTEMPTS_MAX; attempt += 1) {
    const now = findConfirmable(options, await look(client, options.nodeName));
    const { uid, resourceVersion, ...ref } = now.request;
    if (uid !== shown.request.uid || now.bootID !== shown.bootID) {
      throw new CliError(
        "REFUSED",
        `Not confirmed: the request or the boot is another one than was shown (${ref.namespace}/` +
          `${ref.name}, boot ${now.bootID}). Run the command again, and look again.`,
      );
    }
    const confirmation = {
      requestUID: uid,
      bootID: now.bootID,
      by,
      time: new Date().toISOString(),
    };
    const outcome = await patchObject(
      client,
      SBD_REMEDIATIONS,
      ref,
      { kind: "merge", body: { status: { confirmation } } },
      { subresource: "status", uid, resourceVersion },
    );
    if (outcome.kind === "done") {
      return confirmation;
    }
    if (outcome.kind !== "conflict") {
      throw new CliError("API", `Not confirmed: ${outcome.message}`);
    }
  }
  throw new CliError(
    "API",
    `Not confirmed: the request was changed by others each of ${WRITE_ATTEMPTS_MAX} times. Run the ` +
      `command again.`,
  );
}

/** Until the leader has turned the evidence into the condition; whichever evidence that was. */
async function awaitProof(
  client: KubeClient,
  { request }: Confirmable,
  waitSeconds: number,
  document: JsonObject,
  terminal: Terminal,
): Promise<string> {
  const endMs = performance.now() + waitSeconds * 1_000;
  let last = "";
  while (performance.now() < endMs) {
    const seen = await lookAtRequest(client, request);
    switch (seen.kind) {
      case "proven":
        return seen.evidence;
      case "over":
        throw new CliError("NOT_PROVEN", `Not proven: ${seen.why}`, document);
      case "pending":
        last = seen.message;
        terminal.progress(seen.message, `waiting for FencingSucceeded: ${seen.message}`);
    }
    await delay(LOOK_EVERY_MS);
  }
  throw new CliError(
    "NOT_PROVEN",
    `Recorded, and not proven within ${waitSeconds} s: ${last}. The word stands; see ` +
      `'kubectl get sbdremediation -n ${request.namespace} ${request.name} -o wide'.`,
    document,
  );
}

type RequestSight =
  | { readonly kind: "proven"; readonly evidence: string }
  | { readonly kind: "over"; readonly why: string }
  | { readonly kind: "pending"; readonly message: string };

async function lookAtRequest(
  client: KubeClient,
  { uid, ...ref }: Confirmable["request"],
): Promise<RequestSight> {
  let object: Awaited<ReturnType<typeof getObject>>;
  try {
    object = await getObject(client, SBD_REMEDIATIONS, ref);
  } catch (error) {
    return { kind: "pending", message: error instanceof Error ? error.message : String(error) };
  }
  if (object === null || object.metadata.uid !== uid) {
    return { kind: "over", why: "the request is gone" };
  }
  const parsed = parseSBDRemediation(object);
  if (!parsed.ok) {
    return { kind: "pending", message: parsed.error.message };
  }
  const { conditions, fencing, message = "" } = parsed.value.status;
  const fenced = conditions?.find(({ type }) => type === "FencingSucceeded")?.status;
  if (fenced === "True") {
    return { kind: "proven", evidence: fencing?.evidence?.kind ?? "" };
  }
  return fenced === "False"
    ? { kind: "over", why: `the request has failed: ${message}` }
    : { kind: "pending", message: printable(message) };
}

function describe(nodeName: string, found: Confirmable, by: string, server: string): string {
  const { boots, request } = found;
  return textFields([
    ["API server", server],
    ["node", nodeName],
    ["", found.readiness],
    ["request", `${request.namespace}/${request.name} (${request.uid})`],
    ["boot to be confirmed", found.bootID],
    ["boot of the message", boots.message === "" ? "no message stands" : boots.message],
    ["boot the Node tells", orUnknown(boots.node)],
    ["boot its agent told", orUnknown(boots.sbdNode)],
    ["machine", orUnknown(found.machineID)],
    ["last good pass", found.lastPassTime ?? "never told"],
    ["seen still by", found.stillFor.length === 0 ? "nobody" : found.stillFor.join(", ")],
    [
      "fencer",
      `${orUnknown(found.fencer)}${found.fencingState === "" ? "" : `, ${found.fencingState}`}`,
    ],
    ...(found.missing.length === 0 ? ["nothing told"] : found.missing).map(
      (lack, index) => [index === 0 ? "missing to a proof" : "", lack] as const,
    ),
    ...found.warnings.map((warning) => ["WARNING", warning] as const),
    ["confirmed by", by],
  ]);
}

function orUnknown(text: string): string {
  return text === "" ? "unknown" : text;
}

function documentOf(
  nodeName: string,
  { request, boots }: Confirmable,
  confirmation: Confirmation,
): JsonObject {
  const { namespace, name } = request;
  return {
    nodeName,
    request: { namespace, name, uid: request.uid },
    boots,
    confirmation,
    evidence: null,
  };
}

function nextStep({ request }: Confirmable): string {
  return (
    `The fencer takes it with its next look. See 'kubectl get sbdremediation -n ${request.namespace} ` +
    `${request.name}'.`
  );
}
