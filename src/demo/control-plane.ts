/**
 * What stands in for Kubernetes in the demo until there is an API server: the Nodes' taints and the
 * boot their kubelets told, the open request, which agent is named to fence, and where the workload
 * runs. It answers agents as the API process will, and kubelets over a socket each, and a node can be
 * cut off from it. Everything it says is what it was told; it looks at no device and no process.
 */
import fs from "node:fs";
import net from "node:net";
import { join } from "node:path";

import type { AgentStatus, Answer, FromCore, ToCore } from "../agent/shell/api-message.ts";
import { readLines } from "../agent/shell/line-socket.ts";
import type { NodeReading, RequestReading } from "../fencing/authority.ts";
import type { Evidence } from "../fencing/evidence.ts";
import type { FencerReport } from "../fencing/fencer-report.ts";
import { FENCE_REASON_HEARTBEAT_TIMEOUT } from "../protocol/message.ts";
import type { KubeletOrders, KubeletReport, KubeletWorkload } from "./stand-in-kubelet.ts";

export type ControlPlaneNode = {
  readonly name: string;
  readonly nodeID: number;
  readonly agentSocketPath: string;
  readonly kubeletSocketPath: string;
};

export type ControlPlaneEvent =
  | { readonly kind: "fencer-named"; readonly agent: string }
  | { readonly kind: "report"; readonly report: FencerReport }
  | { readonly kind: "tainted"; readonly nodeName: string }
  | { readonly kind: "declared"; readonly evidence: Evidence }
  | { readonly kind: "workload-moved"; readonly to: string };

export type ControlPlane = {
  /** What the agent of a node last said; null while it has not, or is cut off. */
  status(nodeName: string): AgentStatus | null;
  /** No packet between the node and the control plane any more, or again. */
  cut(nodeName: string): void;
  mend(nodeName: string): void;
  /** A request against a node: an agent is named, and the workload moves once death is proven. */
  requestFencing(nodeName: string): void;
  readonly owner: string;
  close(): void;
};

type Link = { socket: net.Socket | null; cut: boolean };
type Request = {
  readonly uid: string;
  readonly nodeName: string;
  agent: string;
  epoch: number;
  evidence: Evidence | null;
};

const CONNECT_EVERY_MS = 100;
const NAMED_AGAIN_EVERY_MS = 1_000;

export function createControlPlane(
  nodes: readonly ControlPlaneNode[],
  workload: { readonly owner: string; readonly spec: KubeletWorkload },
  on: (event: ControlPlaneEvent) => void,
): ControlPlane {
  const agents = new Map<string, Link>(
    nodes.map(({ name }) => [name, { socket: null, cut: false }]),
  );
  const kubelets = new Map<string, Link>(
    nodes.map(({ name }) => [name, { socket: null, cut: false }]),
  );
  const statuses = new Map<string, AgentStatus>();
  const bootIDs = new Map<string, string>();
  const noExecute = new Set<string>();
  let owner = workload.owner;
  let request: Request | null = null;
  const servers = nodes.map((node) => listenForKubelet(node));
  const timers = [
    setInterval(connectAgents, CONNECT_EVERY_MS),
    setInterval(nameFencer, NAMED_AGAIN_EVERY_MS),
  ];

  function listenForKubelet({ name, kubeletSocketPath }: ControlPlaneNode): net.Server {
    fs.rmSync(kubeletSocketPath, { force: true });
    const server = net.createServer((socket) => {
      const link = linkOf(kubelets, name);
      if (link.cut) {
        socket.destroy();
        return;
      }
      link.socket = socket;
      socket.on("error", () => undefined);
      readLines(socket, (report) => hearKubelet(name, report as KubeletReport), ignore);
    });
    server.listen(kubeletSocketPath);
    return server;
  }

  /** A kubelet tells its boot, then learns what it is to run; a tainted node is given nothing. */
  function hearKubelet(nodeName: string, { bootID }: KubeletReport): void {
    bootIDs.set(nodeName, bootID);
    const run = owner === nodeName && !noExecute.has(nodeName) ? [workload.spec] : [];
    const orders: KubeletOrders = { run };
    linkOf(kubelets, nodeName).socket?.write(`${JSON.stringify(orders)}\n`);
  }

  function connectAgents(): void {
    for (const { name, agentSocketPath } of nodes) {
      const link = linkOf(agents, name);
      if (link.socket === null && !link.cut) {
        connectAgent(name, agentSocketPath, link);
      }
    }
  }

  function connectAgent(name: string, path: string, link: Link): void {
    const socket = net.connect(path);
    link.socket = socket;
    socket.on("error", ignore);
    socket.on("close", () => {
      if (link.socket === socket) {
        link.socket = null;
        statuses.delete(name);
      }
    });
    readLines(socket, (message) => hearAgent(name, message as FromCore), ignore);
  }

  function hearAgent(name: string, message: FromCore): void {
    switch (message.type) {
      case "status":
        statuses.set(name, message.status);
        return;
      case "report":
        if (request !== null && request.agent === name) {
          request.epoch = Math.max(request.epoch, message.report.epoch);
          on({ kind: "report", report: message.report });
        }
        return;
      case "ask-request":
        tell(name, {
          type: "request-read",
          id: message.id,
          reading: readRequest(name, message.uid),
        });
        return;
      case "ask-node":
        tell(name, { type: "node-read", id: message.id, reading: readNode(message.nodeName) });
        return;
      case "raise-taint":
        if (request?.agent === name && !noExecute.has(message.nodeName)) {
          noExecute.add(message.nodeName);
          on({ kind: "tainted", nodeName: message.nodeName });
        }
        return;
      case "declare":
        declare(name, message.uid, message.evidence);
        return;
      case "ask-vouch":
        tell(name, {
          type: "vouch-read",
          id: message.id,
          openRequests: request !== null && request.nodeName === name ? 1 : 0,
        });
        return;
    }
  }

  function readRequest(agent: string, uid: string): Answer<RequestReading> {
    const granted = request !== null && request.uid === uid && request.agent === agent;
    return {
      granted,
      detail: granted ? "" : "another agent is named",
      epoch: request?.epoch ?? 0,
      confirmation: null,
    };
  }

  function readNode(nodeName: string): Answer<NodeReading> {
    const node = nodes.find(({ name }) => name === nodeName);
    return {
      nodeUID: `node-${nodeName}`,
      bootID: bootIDs.get(nodeName) ?? "",
      noExecute: noExecute.has(nodeName),
      sbdNodes:
        node === undefined
          ? []
          : [{ name: `demo-${node.nodeID}`, nodeID: node.nodeID, leaving: false }],
    };
  }

  function declare(agent: string, uid: string, evidence: Evidence): void {
    if (request === null || request.uid !== uid || request.agent !== agent) {
      return;
    }
    tell(agent, { type: "declared", uid });
    if (request.evidence !== null) {
      return;
    }
    request.evidence = evidence;
    on({ kind: "declared", evidence });
    const next = nodes.find(({ name }) => name !== request?.nodeName && isHealthy(name));
    if (next !== undefined) {
      owner = next.name;
      on({ kind: "workload-moved", to: owner });
    }
  }

  /** Names a healthy agent other than the target, and names it anew while it has not reported. */
  function nameFencer(): void {
    if (request === null || request.evidence !== null) {
      return;
    }
    if (!isHealthy(request.agent)) {
      const { nodeName } = request;
      const candidate = nodes.find(({ name }) => name !== nodeName && isHealthy(name));
      if (candidate === undefined) {
        return;
      }
      request.agent = candidate.name;
      on({ kind: "fencer-named", agent: candidate.name });
    }
    const target = nodes.find(({ name }) => name === request?.nodeName);
    if (target !== undefined) {
      tell(request.agent, {
        type: "fence",
        uid: request.uid,
        nodeName: target.name,
        nodeID: target.nodeID,
        reason: FENCE_REASON_HEARTBEAT_TIMEOUT,
        pausableNodes: "Accept",
      });
    }
  }

  function isHealthy(name: string): boolean {
    const status = statuses.get(name);
    return status !== undefined && status.watchdog === "armed" && status.trouble === null;
  }

  function tell(name: string, message: ToCore): void {
    linkOf(agents, name).socket?.write(`${JSON.stringify(message)}\n`);
  }

  return {
    status: (nodeName) => statuses.get(nodeName) ?? null,
    cut(nodeName) {
      for (const link of [linkOf(agents, nodeName), linkOf(kubelets, nodeName)]) {
        link.cut = true;
        link.socket?.destroy();
        link.socket = null;
      }
      statuses.delete(nodeName);
    },
    mend(nodeName) {
      linkOf(agents, nodeName).cut = false;
      linkOf(kubelets, nodeName).cut = false;
    },
    requestFencing(nodeName) {
      request = { uid: crypto.randomUUID(), nodeName, agent: "", epoch: 0, evidence: null };
      nameFencer();
    },
    get owner() {
      return owner;
    },
    close() {
      for (const timer of timers) {
        clearInterval(timer);
      }
      for (const link of [...agents.values(), ...kubelets.values()]) {
        link.cut = true;
        link.socket?.destroy();
      }
      for (const server of servers) {
        server.close();
      }
    },
  };
}

/** Sockets of a virtual node, in a directory short enough for their 107 bytes. */
export function socketPaths(
  directory: string,
  hostRoot: string,
  name: string,
): Pick<ControlPlaneNode, "agentSocketPath" | "kubeletSocketPath"> {
  return {
    agentSocketPath: join(hostRoot, "run/sbd-agent/api.sock"),
    kubeletSocketPath: join(directory, `${name}.sock`),
  };
}

/** A broken connection is made again; what was on the way is lost, as on a network. */
function ignore(): void {}

function linkOf(links: ReadonlyMap<string, Link>, name: string): Link {
  const link = links.get(name);
  if (link === undefined) {
    throw new Error(`The demo has no node ${name}`);
  }
  return link;
}
