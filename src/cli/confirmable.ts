import {
  hasFinalizer,
  isDecided,
  isProven,
  namedAgent,
  wantsMessage,
} from "../api/request-state.ts";
import { nodeOfRemediation } from "../api/node-of-remediation.ts";
import { parseSBDNode, type SBDNode } from "../api/sbd-node.ts";
import {
  parseSBDRemediation,
  type RemediationConfirmation,
  type SBDRemediation,
} from "../api/sbd-remediation.ts";
import { listAt, textAt, type KubeObject } from "../kube/kube-object.ts";
import { CliError } from "./cli-error.ts";

/** What the API server tells of one node and of everything that may be about it. */
export type ClusterView = {
  /** Null: there is no such Node. */
  readonly node: KubeObject | null;
  readonly sbdNodes: readonly KubeObject[];
  readonly requests: readonly KubeObject[];
  /** When it was asked, by this machine's clock. */
  readonly wallMs: number;
};

/** What an administrator names; null where the cluster may say it. */
export type ConfirmationTarget = {
  readonly nodeName: string;
  /** `namespace/name`. */
  readonly request: string | null;
  readonly bootID: string | null;
};

/** One boot of one node that an administrator may say is off, for one open request. */
export type Confirmable = {
  readonly request: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
  readonly bootID: string;
  /** Where each tells one; empty where it tells none. */
  readonly boots: {
    readonly message: string;
    readonly node: string;
    readonly sbdNode: string;
  };
  readonly machineID: string;
  /** Condition Ready of the Node: its status, since when, and why. */
  readonly readiness: string;
  readonly lastPassTime: string | null;
  /** Agents that have seen the node's heartbeat stand still. */
  readonly stillFor: readonly string[];
  readonly fencer: string;
  readonly fencingState: string;
  readonly missing: readonly string[];
  /** What was said before for this request. */
  readonly confirmed: RemediationConfirmation | null;
  readonly warnings: readonly string[];
};

/** An agent that has said within this that it had a good pass is taken for alive. */
const PASS_IS_LIFE_MS = 15_000;

/**
 * Finds the request and the boot, and refuses what would be a wrong word or one that nobody hears.
 *
 * @throws {CliError} `NO_SUCH_NODE`, `REFUSED`
 */
export function findConfirmable(target: ConfirmationTarget, view: ClusterView): Confirmable {
  const { nodeName } = target;
  const { node } = view;
  if (node === null) {
    throw new CliError(
      "NO_SUCH_NODE",
      `Not confirmed: there is no Node ${nodeName}. Check the name with 'kubectl get nodes'; a request ` +
        `for a Node that is gone ends without anybody's word.`,
    );
  }
  const slots = view.sbdNodes.flatMap((object) => {
    const parsed = parseSBDNode(object);
    return parsed.ok ? [parsed.value] : [];
  });
  const own = slots.filter(({ spec }) => spec.nodeName === nodeName);
  const { raw, parsed } = findRequest(target, view.requests);
  refuseLiving(nodeName, node, own, view.wallMs);
  const boots = {
    message: parsed.status.fencing?.bootID ?? "",
    node: textAt(node, "status", "nodeInfo", "bootID"),
    sbdNode: own.find(({ status }) => status.bootID !== undefined)?.status.bootID ?? "",
  };
  const bootID = chooseBoot(target, boots);
  const { fencing } = parsed.status;
  const fencer = namedAgent(raw);
  const others = Object.values(boots).filter((boot) => boot !== "" && boot !== bootID);
  return {
    request: {
      namespace: parsed.metadata.namespace ?? "",
      name: parsed.metadata.name,
      uid: parsed.metadata.uid ?? "",
      resourceVersion: parsed.metadata.resourceVersion ?? "",
    },
    bootID,
    boots,
    machineID: fencing?.machineID ?? own[0]?.status.machineID ?? "",
    readiness: readinessOf(node),
    lastPassTime: own[0]?.status.lastPassTime ?? null,
    stillFor: own.flatMap((slot) => stillFor(slot, slots)),
    fencer,
    fencingState: fencing?.state ?? "",
    // A fencer gives what makes a node unfencable as its reason, too.
    missing: [
      ...new Set([
        ...(fencing?.unfencable === undefined ? [] : [fencing.unfencable.detail]),
        ...(fencing?.reason === undefined ? [] : [fencing.reason]),
        ...(fencing?.missing ?? []),
      ]),
    ],
    confirmed: parsed.status.confirmation ?? null,
    warnings: [
      ...(others.length === 0
        ? []
        : [`another boot has been told, too: ${others.join(", ")}; every boot of it must be off`]),
      UNSEEN,
      ...(fencer === "" ? ["no fencer is named yet; the word counts once one is"] : []),
    ],
  };
}

/** What neither the API nor the device shows. */
const UNSEEN =
  "not to be seen from here: a boot whose kubelet has not reached the API and whose agent has not " +
  "beaten yet, and a virtual machine that its hypervisor has started a second time. Look at the machine";

type Request = { readonly raw: KubeObject; readonly parsed: SBDRemediation };

function findRequest(
  { nodeName, request: wanted }: ConfirmationTarget,
  objects: readonly KubeObject[],
): Request {
  const all = objects.flatMap((raw): Request[] => {
    const parsed = parseSBDRemediation(raw);
    return parsed.ok ? [{ raw, parsed: parsed.value }] : [];
  });
  const naming = all.filter(({ parsed }) => isAbout(parsed, nodeName));
  if (wanted !== null) {
    const found = all.find(({ parsed }) => nameOf(parsed) === wanted);
    if (found === undefined) {
      throw refused(`there is no readable SBDRemediation ${wanted}. ${SEE_REQUESTS}`);
    }
    if (!naming.includes(found)) {
      throw refused(`SBDRemediation ${wanted} is not about node ${nodeName}. ${SEE_REQUESTS}`);
    }
    const why = whyNotOpen(found.raw);
    if (why !== null) {
      throw refused(`SBDRemediation ${wanted} ${why}.`);
    }
    return found;
  }
  const open = naming.filter(({ raw }) => wantsMessage(raw));
  const [only, ...more] = open;
  if (only === undefined) {
    const closed = naming.map(({ raw, parsed }) => `${nameOf(parsed)} ${whyNotOpen(raw) ?? ""}`);
    throw refused(
      `no open SBDRemediation is about node ${nodeName}` +
        `${closed.length === 0 ? "" : ` (${closed.join("; ")})`}, so nobody waits for this word and ` +
        `nothing would come of it. ${SEE_REQUESTS}`,
    );
  }
  if (more.length > 0) {
    throw refused(
      `${open.length} open SBDRemediations are about node ${nodeName}: ` +
        `${open.map(({ parsed }) => nameOf(parsed)).join(", ")}. Name one with --request; each needs a ` +
        `word of its own.`,
    );
  }
  return only;
}

const SEE_REQUESTS = "See 'kubectl get sbdremediations -A'.";

function isAbout(request: SBDRemediation, nodeName: string): boolean {
  const named = nodeOfRemediation(request);
  return named.ok && named.nodeName === nodeName;
}

function whyNotOpen(request: KubeObject): string | null {
  if (isProven(request)) return "has its proof already";
  if (isDecided(request)) return "is decided, and no proof is recorded for it any more";
  if (request.metadata.deletionTimestamp !== undefined) return "is being deleted";
  return hasFinalizer(request)
    ? null
    : "is not accepted yet: the operator has not put its finalizer on; see whether it runs";
}

function refuseLiving(
  nodeName: string,
  node: KubeObject,
  slots: readonly SBDNode[],
  wallMs: number,
): void {
  if (textAt(readyCondition(node), "status") === "True") {
    throw refused(
      `the kubelet of ${nodeName} reports Ready, so the node runs. If it was powered off just now, ` +
        `wait until Kubernetes has noticed (about a minute), and run this again.`,
    );
  }
  const passed = slots.find(
    ({ status: { lastPassTime = "" } }) =>
      Math.abs(wallMs - Date.parse(lastPassTime)) < PASS_IS_LIFE_MS,
  );
  if (passed !== undefined) {
    throw refused(
      `the agent of ${nodeName} has reported a good pass at ${passed.status.lastPassTime}, so the node ` +
        `runs. If it was powered off just now, run this again in ${PASS_IS_LIFE_MS / 1_000} s.`,
    );
  }
}

/** As the fencer has it: the boot a message is addressed to, else the one that Node and slot tell. */
function chooseBoot(
  { bootID: wanted, nodeName }: ConfirmationTarget,
  boots: Confirmable["boots"],
): string {
  const told = [boots.node, boots.sbdNode].filter((boot) => boot !== "");
  if (boots.message !== "") {
    if (wanted !== null && wanted !== boots.message) {
      throw refused(
        `the fence message is addressed to boot ${boots.message}, not to ${wanted}: a word about ` +
          `another boot proves nothing.`,
      );
    }
    if (wanted === null && told.some((boot) => boot !== boots.message)) {
      throw refused(
        `the fence message is addressed to boot ${boots.message}, and ${nodeName} has told another one ` +
          `since (${told.join(", ")}), which may run its pods. A word about the addressed boot is not taken ` +
          `while the Node tells a boot that is not known to have begun after the message. Make sure that ` +
          `the machine is off whichever boot it ran, then name the addressed one with --boot-id.`,
      );
    }
    return boots.message;
  }
  if (boots.node === "" || told.some((boot) => boot !== boots.node)) {
    throw refused(
      `no fence message stands, and ${nodeName} tells ` +
        `${told.length === 0 ? "no boot" : `boots ${told.join(" and ")}`}, so nobody can say which boot ` +
        `is meant. Wait until a message is written.`,
    );
  }
  if (wanted !== null && wanted !== boots.node) {
    throw refused(
      `no fence message stands, and ${nodeName} tells boot ${boots.node}, not ${wanted}: a word about ` +
        `another boot proves nothing.`,
    );
  }
  return boots.node;
}

function stillFor({ spec, metadata }: SBDNode, slots: readonly SBDNode[]): string[] {
  return slots
    .filter((peer) => peer.metadata.name !== metadata.name)
    .flatMap((peer) =>
      (peer.status.unhealthyPeers ?? [])
        .filter(({ nodeID }) => nodeID === spec.nodeID && peer.spec.configName === spec.configName)
        .map(({ since }) => `${peer.spec.nodeName} (last moved ${since ?? "before it looked"})`),
    );
}

function readyCondition(node: KubeObject): unknown {
  return listAt(node, "status", "conditions").find(
    (condition) => textAt(condition, "type") === "Ready",
  );
}

function readinessOf(node: KubeObject): string {
  const ready = readyCondition(node);
  const status = textAt(ready, "status");
  const since = textAt(ready, "lastTransitionTime");
  const message = textAt(ready, "message");
  return (
    (status === "" ? "never told" : `Ready=${status}`) +
    (since === "" ? "" : ` since ${since}`) +
    (message === "" ? "" : `: ${message}`)
  );
}

function nameOf({ metadata }: SBDRemediation): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

function refused(why: string): CliError {
  return new CliError("REFUSED", `Not confirmed: ${why}`);
}
