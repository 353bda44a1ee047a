import { InvalidObjectError } from "./invalid-object-error.ts";
import { NODE_NAME_ANNOTATION } from "./remediation-names.ts";

/** The part of an SBDRemediation that says which node it is about. */
export type NodeReference = {
  readonly metadata: {
    readonly name?: string | undefined;
    readonly annotations?: Readonly<Record<string, string>> | undefined;
  };
  readonly spec?: { readonly nodeName?: string | undefined } | null | undefined;
};

/** The node, or why there is none. */
export type NodeOfRemediation =
  | { readonly ok: true; readonly nodeName: string }
  | { readonly ok: false; readonly error: InvalidObjectError };

/**
 * The node an SBDRemediation is about: annotation `remediation.medik8s.io/node-name`, else
 * `spec.nodeName`, else the object's name.
 *
 * Refused: annotation and `spec.nodeName` that differ (`TWO_NODES`), and an empty one or none at all
 * (`NO_NODE`); fencing the wrong node cannot be taken back. The object's name is no contradiction:
 * NodeHealthCheck generates it where the annotation stands.
 */
export function nodeOfRemediation(remediation: NodeReference): NodeOfRemediation {
  const annotated = remediation.metadata.annotations?.[NODE_NAME_ANNOTATION];
  const specified = remediation.spec?.nodeName;
  const who = `SBDRemediation '${remediation.metadata.name ?? ""}'`;
  if (annotated === "" || specified === "") {
    const where = annotated === "" ? `annotation ${NODE_NAME_ANNOTATION}` : "spec.nodeName";
    return refuse(
      "NO_NODE",
      `${who} has an empty ${where}: no node is fenced. Name the node in it.`,
    );
  }
  if (annotated !== undefined && specified !== undefined && annotated !== specified) {
    return refuse(
      "TWO_NODES",
      `${who} names node '${annotated}' in annotation ${NODE_NAME_ANNOTATION} and node '${specified}' in spec.nodeName: neither is fenced. Delete it and create one for each node that is meant.`,
    );
  }
  const nodeName = annotated ?? specified ?? remediation.metadata.name;
  if (nodeName === undefined || nodeName === "") {
    return refuse("NO_NODE", `${who} names no node: no node is fenced. Set spec.nodeName.`);
  }
  return { ok: true, nodeName };
}

function refuse(code: "NO_NODE" | "TWO_NODES", message: string): NodeOfRemediation {
  return { ok: false, error: new InvalidObjectError(code, message) };
}
