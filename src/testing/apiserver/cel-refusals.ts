import type { ASTNode } from "@marcbachmann/cel-js";

/**
 * Why kube-apiserver refuses to store an expression that is good CEL otherwise. Both were met with
 * 1.35.4: a list literal of elements that differ in type (save the arguments of `format`), and in the
 * rules of a CRD a text made by `string(…)`, whose length it cannot bound, so that its cost is
 * "more than 100x" the budget.
 *
 * Stricter than upstream where types would be needed to tell: elements must be literals of one type,
 * or each in `dyn(…)`.
 */
export function celRefusals(ast: ASTNode, place: "crd" | "policy"): string[] {
  const found: string[] = [];
  look(ast, found, place);
  return found;
}

function look(node: ASTNode, found: string[], place: "crd" | "policy"): void {
  if (node.op === "list" && new Set(node.args.map(kindOf)).size > 1) {
    found.push("list literal of mixed types: put every element into dyn(…)");
  } else if (node.op === "call" && node.args[0] === "string" && place === "crd") {
    found.push("estimated cost exceeds budget: write '%d'.format([…]) in place of string(…)");
  }
  const isFormat = node.op === "rcall" && node.args[0] === "format";
  for (const child of isFormat ? argumentsOfFormat(node.args) : celChildren(node.args)) {
    look(child, found, place);
  }
}

/** The receiver, and what stands in the list, which may be mixed. */
function argumentsOfFormat([, receiver, args]: [string, ASTNode, ASTNode[]]): ASTNode[] {
  return [receiver, ...args.flatMap((node) => (node.op === "list" ? node.args : [node]))];
}

/** An element's type as far as its form tells; what is not told differs from all else. */
function kindOf(node: ASTNode): unknown {
  if (node.op === "value") return typeof node.args;
  if (node.op === "call" && node.args[0] === "dyn") return "dyn";
  return node;
}

/** The expressions among a node's arguments. */
export function celChildren(args: unknown): ASTNode[] {
  if (!Array.isArray(args)) return isNode(args) ? [args] : [];
  return args.flatMap((item: unknown) => (isNode(item) ? [item] : celChildren(item)));
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === "object" && value !== null && "op" in value && "args" in value;
}
