/** What happened at the API server, in order, as the demo tells it. */
import { SBD_REMEDIATION } from "../api/sbd-remediation.ts";
import { REMEDIATION_FINALIZER, REMEDIATION_TAINT_KEY } from "../api/remediation-names.ts";
import { fieldAt, listAt, textAt } from "../kube/kube-object.ts";
import type { ApiServer } from "../testing/apiserver/start-api-server.ts";
import { monotonicMs } from "../testing/virtual-node.ts";

export type ApiEvent = { readonly tMs: number } & (
  | { readonly kind: "requested"; readonly nodeName: string; readonly name: string }
  | { readonly kind: "finalizer" }
  | { readonly kind: "fencer-named"; readonly agent: string }
  | { readonly kind: "durable" }
  | {
      readonly kind: "evidence";
      readonly evidence: string;
      readonly bootID: string;
      readonly detail: string;
    }
  | { readonly kind: "declared" }
  | { readonly kind: "concluded"; readonly succeeded: string; readonly message: string }
  | { readonly kind: "tainted"; readonly nodeName: string; readonly taint: string }
  | { readonly kind: "not-ready"; readonly nodeName: string }
  | { readonly kind: "pod-bound"; readonly nodeName: string }
  | { readonly kind: "pod-gone"; readonly nodeName: string }
);

/** Tells each thing once. Returns what ends the listening. */
export function listenToApi(server: ApiServer, on: (event: ApiEvent) => void): () => void {
  const said = new Set<string>();
  const once = (key: string, event: ApiEvent): void => {
    if (!said.has(key)) {
      said.add(key);
      on(event);
    }
  };
  /** What is so for each Node: told when it comes to be, and again only when it was not so between. */
  const standing = new Map<string, ReadonlySet<string>>();
  const onNode = (uid: string, events: readonly ApiEvent[]): void => {
    const keyed = new Map(events.map((event) => [JSON.stringify({ ...event, tMs: 0 }), event]));
    const before = standing.get(uid);
    standing.set(uid, new Set(keyed.keys()));
    for (const [key, event] of keyed) {
      if (before?.has(key) !== true) on(event);
    }
  };
  return server.onChange((change) => {
    const tMs = monotonicMs();
    const { object } = change;
    const uid = textAt(object, "metadata", "uid");
    const isGone = change.type === "DELETED";
    switch (textAt(object, "kind")) {
      case SBD_REMEDIATION.kind:
        for (const event of eventsOfRequest(object, tMs)) {
          once(`${uid} ${JSON.stringify({ ...event, tMs: 0 })}`, event);
        }
        return;
      case "Node":
        onNode(uid, eventsOfNode(object, tMs));
        return;
      case "Pod": {
        const nodeName = textAt(object, "spec", "nodeName");
        if (nodeName !== "") {
          once(`${uid} ${isGone}`, { tMs, kind: isGone ? "pod-gone" : "pod-bound", nodeName });
        }
        return;
      }
      default:
        return;
    }
  });
}

function eventsOfRequest(object: unknown, tMs: number): ApiEvent[] {
  const events: ApiEvent[] = [
    {
      tMs,
      kind: "requested",
      name: textAt(object, "metadata", "name"),
      nodeName: textAt(object, "metadata", "annotations", "remediation.medik8s.io/node-name"),
    },
  ];
  if (listAt(object, "metadata", "finalizers").includes(REMEDIATION_FINALIZER)) {
    events.push({ tMs, kind: "finalizer" });
  }
  const fencing = fieldAt(object, "status", "fencing");
  const agent = textAt(fencing, "agent");
  if (agent !== "") {
    events.push({ tMs, kind: "fencer-named", agent });
  }
  if (textAt(fencing, "state") === "Durable") {
    events.push({ tMs, kind: "durable" });
  }
  const evidence = textAt(fencing, "evidence", "kind");
  if (evidence !== "") {
    const bootID = textAt(fencing, "evidence", "bootID");
    const detail = textAt(fencing, "evidence", "detail");
    events.push({ tMs, kind: "evidence", evidence, bootID, detail });
  }
  for (const condition of listAt(object, "status", "conditions")) {
    const status = textAt(condition, "status");
    const message = textAt(condition, "message");
    if (textAt(condition, "type") === "FencingSucceeded" && status === "True") {
      events.push({ tMs, kind: "declared" });
    }
    if (textAt(condition, "type") === "Succeeded" && status !== "Unknown") {
      events.push({ tMs, kind: "concluded", succeeded: status, message });
    }
  }
  return events;
}

function eventsOfNode(object: unknown, tMs: number): ApiEvent[] {
  const nodeName = textAt(object, "metadata", "name");
  const events: ApiEvent[] = [];
  for (const taint of listAt(object, "spec", "taints")) {
    const key = textAt(taint, "key");
    const name = key === REMEDIATION_TAINT_KEY ? textAt(taint, "effect") : key;
    events.push({ tMs, kind: "tainted", nodeName, taint: name });
  }
  const isUnknown = listAt(object, "status", "conditions").some(
    (condition) =>
      textAt(condition, "type") === "Ready" && textAt(condition, "status") === "Unknown",
  );
  if (isUnknown) {
    events.push({ tMs, kind: "not-ready", nodeName });
  }
  return events;
}
