import { fieldAt, listAt, textAt } from "../kube/kube-object.ts";
import { monotonicMs } from "../testing/virtual-node.ts";
import type { Cluster } from "./cluster.ts";
import type { NodePicture } from "./picture.ts";

/** Every node as machine, API server and shared volume show it now. */
export function nodePictures(
  cluster: Cluster,
  isHung: (name: string) => boolean,
): readonly NodePicture[] {
  const { objects } = cluster.kubernetes.server;
  const sbdNodes = objects.list("sbdnodes.medik8s.io");
  const lines = cluster.lines();
  return cluster.nodes.map(({ name, machine }): NodePicture => {
    const sbdNode = sbdNodes.find((node) => textAt(node, "spec", "nodeName") === name);
    const slot = fieldAt(sbdNode, "spec", "nodeID");
    const heardMs = Date.parse(textAt(sbdNode, "status", "lastPassTime"));
    const written = lines.findLast(({ bootID }) => bootID === machine.bootID);
    return {
      name,
      machine: machine.isUp ? (isHung(name) ? "hung" : "up") : "dead",
      bootID: machine.bootID,
      slot: typeof slot === "number" ? slot : null,
      agent:
        fieldAt(sbdNode, "status", "fenced") === true
          ? "fenced"
          : fieldAt(sbdNode, "status", "armed") === true
            ? "armed"
            : "unarmed",
      heardMsAgo: Number.isNaN(heardMs) ? null : Date.now() - heardMs,
      watchdog: machine.watchdogState.active ? "ticking" : "stopped",
      pets: machine.petCount,
      taints: listAt(objects.get("nodes", name), "spec", "taints").map((taint) =>
        textAt(taint, "effect"),
      ),
      line: written === undefined ? null : { n: written.n, msAgo: monotonicMs() - written.tMs },
    };
  });
}
