import type { KubeObject } from "../kube/kube-object.ts";
import { isOver, nameOf, nodeOf, type ClusterView } from "./cluster-view.ts";
import { ageMs, duration } from "./durations.ts";
import { podsWithoutRoom } from "./spare-capacity.ts";
import { LEASE_ALIVE_MS, readyOf, statusOf } from "./status.ts";

/** What would hinder a fencing of a node today, or make a rehearsal hurt. */
export type Hindrance = {
  readonly code:
    | "NO_SLOT"
    | "UNPROTECTED"
    | "NOT_READY"
    | "UNSEEN"
    | "NO_FENCER"
    | "NO_LEADER"
    | "CONFIG_NOT_READY"
    | "FENCING_GOES_ON"
    | "QUORUM"
    | "NO_CAPACITY"
    | "NOT_TO_BE_SEEN";
  readonly text: string;
  readonly remedy: string;
};

const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";
const NAMED_MAX = 5;

/** Everything that stands in the way; empty where a drill may start. Pure. */
export function hindrancesOf(nodeName: string, view: ClusterView): readonly Hindrance[] {
  const { nodes, pods } = view;
  if (nodes === null || pods === null) {
    return [
      {
        code: "NOT_TO_BE_SEEN",
        text: "You may not list Nodes and Pods, so nobody can tell what a drill would do to them.",
        remedy: "Use the account of a cluster administrator.",
      },
    ];
  }
  return [
    ...protectionOf(nodeName, view, nodes),
    ...fencersOf(nodeName, view),
    ...goingOn(view),
    ...quorumOf(nodeName, nodes),
    ...capacityOf(nodeName, nodes, pods),
  ];
}

function protectionOf(
  nodeName: string,
  view: ClusterView,
  nodes: readonly KubeObject[],
): Hindrance[] {
  const status = statusOf(view).nodes.find(({ node }) => node === nodeName);
  if (status === undefined) {
    return [
      {
        code: "NO_SLOT",
        text: `Node ${nodeName} has no slot on any device: no message can reach it.`,
        remedy:
          "'sbdctl nodes' says why; see nodeSelector and nodeExclusionList of the SBDConfigs.",
      },
    ];
  }
  const found: Hindrance[] = [];
  if (status.state !== "protected") {
    found.push({
      code: "UNPROTECTED",
      text: `Node ${nodeName} is ${status.state}, so silence would not prove it dead.`,
      remedy: status.todo,
    });
  }
  const node = nodes.find(({ metadata }) => metadata.name === nodeName);
  if (node === undefined || readyOf(node) !== "True") {
    found.push({
      code: "NOT_READY",
      text: `Node ${nodeName} is not Ready, so a drill could not show that it comes back.`,
      remedy: "Bring it back first.",
    });
  }
  if (status.seenBy === 0) {
    found.push({
      code: "UNSEEN",
      text: `No other agent sees the heartbeat of ${nodeName} move: none could prove it dead.`,
      remedy:
        "Fencing takes a second agent on the same device: compare deviceUUID in 'sbdctl nodes'.",
    });
  }
  return found;
}

function fencersOf(nodeName: string, view: ClusterView): Hindrance[] {
  const { configs, nodes } = statusOf(view);
  const own = nodes.find(({ node }) => node === nodeName);
  const config = configs.find(({ name }) => name === own?.config);
  const found: Hindrance[] = [];
  if (
    own !== undefined &&
    !nodes.some(
      (peer) => peer.config === own.config && peer.node !== nodeName && peer.state === "protected",
    )
  ) {
    found.push({
      code: "NO_FENCER",
      text: "No other node of its SBDConfig is protected, so nobody could fence it.",
      remedy: "Bring a second node up.",
    });
  }
  const renewedMs = ageMs(view.leader?.renewTime, view.wallMs) ?? Infinity;
  if (renewedMs > LEASE_ALIVE_MS) {
    found.push({
      code: "NO_LEADER",
      text:
        view.leader === null
          ? "No operator holds the Lease, so nobody would take a request up."
          : `The leader has last renewed ${duration(renewedMs)} ago, so nobody would take a request up.`,
      remedy: "kubectl -n sbd-system get pods -l app=sbd-operator",
    });
  }
  if (config?.ready === "False") {
    found.push({
      code: "CONFIG_NOT_READY",
      text: `SBDConfig ${config.name} is not Ready: ${config.message ?? "it does not say why"}.`,
      remedy: `kubectl describe sbdconfig ${config.name}`,
    });
  }
  return found;
}

/** Losing a second node while one is lost is no rehearsal. */
function goingOn(view: ClusterView): Hindrance[] {
  return view.requests
    .filter((request) => !isOver(request))
    .map((request) => ({
      code: "FENCING_GOES_ON",
      text: `${nameOf(request)} is fencing node ${nodeOf(request)}.`,
      remedy: `Wait for it: 'sbdctl fencing ${nameOf(request)} --watch'.`,
    }));
}

function quorumOf(nodeName: string, nodes: readonly KubeObject[]): Hindrance[] {
  const members = nodes.filter(({ metadata }) => metadata.labels?.[CONTROL_PLANE] !== undefined);
  const left = members.filter(
    (node) => node.metadata.name !== nodeName && readyOf(node) === "True",
  ).length;
  const isMember = members.some(({ metadata }) => metadata.name === nodeName);
  return isMember && left < Math.floor(members.length / 2) + 1
    ? [
        {
          code: "QUORUM",
          text: `Without ${nodeName} ${left} of ${members.length} control-plane nodes are left: etcd would lose its quorum.`,
          remedy: "Rehearse on a worker, or add control-plane nodes.",
        },
      ]
    : [];
}

function capacityOf(
  nodeName: string,
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
): Hindrance[] {
  const homeless = podsWithoutRoom(nodeName, nodes, pods);
  if (homeless.length === 0) return [];
  const more = homeless.length > NAMED_MAX ? ` and ${homeless.length - NAMED_MAX} more` : "";
  return [
    {
      code: "NO_CAPACITY",
      text: `By what they request, no other node has room for ${homeless.slice(0, NAMED_MAX).join(", ")}${more}.`,
      remedy: "Free or add capacity: after a real fencing these pods would stay Pending too.",
    },
  ];
}
