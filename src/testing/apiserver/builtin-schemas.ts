import type { Json, JsonObject } from "./json.ts";

function text(description: string): Json {
  return { type: "string", description };
}

function open(description: string, properties: JsonObject = {}): Json {
  return { type: "object", description, properties, "x-kubernetes-preserve-unknown-fields": true };
}

function list(description: string, properties: JsonObject): Json {
  return { type: "array", description, items: { type: "object", properties } };
}

const conditions = list("What is true of it, and since when.", {
  type: text("What the condition is about."),
  status: text("True, False or Unknown."),
  reason: text("One word for programs."),
  message: text("A sentence for people."),
  lastTransitionTime: text("When the status last changed."),
});

const podSpec = open("What the pod runs, and where.", {
  nodeName: text("The node that the pod is on."),
  containers: list("The containers.", { name: text("Its name."), image: text("Its image.") }),
  tolerations: list("The taints it bears.", {
    key: text("The taint's key."),
    operator: text("Exists or Equal."),
    effect: text("The taint's effect."),
  }),
});

const byKind: Record<string, JsonObject> = {
  Node: {
    spec: open("What is wanted of the node.", {
      unschedulable: { type: "boolean", description: "No new pods." },
      taints: list("What keeps pods away.", {
        key: text("The taint's key."),
        value: text("The taint's value."),
        effect: text("NoSchedule, PreferNoSchedule or NoExecute."),
        timeAdded: text("When it was added."),
      }),
    }),
    status: open("What the node's kubelet reports.", {
      conditions,
      nodeInfo: open("What the node is.", { bootID: text("The boot it is in.") }),
    }),
  },
  Pod: {
    spec: podSpec,
    status: open("What the kubelet reports.", {
      phase: text("Where it is in its life."),
      conditions,
    }),
  },
  Lease: {
    spec: open("Who holds it.", {
      holderIdentity: text("The holder."),
      leaseDurationSeconds: { type: "integer", description: "How long a renewal counts." },
      acquireTime: text("When the holder took it; six digits of a second."),
      renewTime: text("When the holder last renewed it; six digits of a second."),
      leaseTransitions: { type: "integer", description: "How often it changed hands." },
    }),
  },
  DaemonSet: {
    spec: open("What runs on every node.", { template: open("The pod.", { spec: podSpec }) }),
    status: open("How far it is."),
  },
  Deployment: {
    spec: open("What runs, how often.", { template: open("The pod.", { spec: podSpec }) }),
    status: open("How far it is."),
  },
};

/** An outline of a built-in kind for `kubectl explain`: what this project speaks of, the rest left open. */
export function builtinSchema(kind: string): JsonObject {
  return {
    type: "object",
    description: `The built-in kind ${kind}, in outline.`,
    properties: byKind[kind] ?? {},
    "x-kubernetes-preserve-unknown-fields": true,
  };
}
