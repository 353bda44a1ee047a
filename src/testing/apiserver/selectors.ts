import { badRequest } from "./api-error.ts";
import { at, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";

/** Says whether an object is among those asked for. */
export type Selector = (object: KubeObject) => boolean;

const everything: Selector = () => true;

type Labels = { [key: string]: string | undefined };

function labelsOf(object: KubeObject): Labels {
  return object.metadata.labels ?? {};
}

/** Splits at commas outside parentheses. */
function termsOf(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== "");
}

function labelTerm(term: string): (labels: Labels) => boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const key = set[1] ?? "";
    const values = new Set((set[3] ?? "").split(",").map((value) => value.trim()));
    if (set[2] === "in") return (labels) => labels[key] !== undefined && values.has(labels[key]);
    return (labels) => labels[key] === undefined || !values.has(labels[key]);
  }
  const comparison = /^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$/.exec(term);
  if (comparison !== null) {
    const key = comparison[1] ?? "";
    const value = comparison[3] ?? "";
    if (comparison[2] === "!=") return (labels) => labels[key] !== value;
    return (labels) => labels[key] === value;
  }
  const presence = /^(!?)\s*([^=!\s()]+)$/.exec(term);
  if (presence !== null) {
    const key = presence[2] ?? "";
    return (labels) => (labels[key] === undefined) === (presence[1] === "!");
  }
  throw badRequest(`unable to parse requirement: invalid label selector term '${term}'`);
}

/**
 * Parses a `labelSelector` query value: `a=b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`.
 * @throws {ApiError} 400 on anything else.
 */
export function labelSelector(text: string): Selector {
  const terms = termsOf(text).map(labelTerm);
  if (terms.length === 0) return everything;
  return (object) => terms.every((term) => term(labelsOf(object)));
}

/** A `metav1.LabelSelector`; an empty or absent one selects everything. */
export function labelSelectorObject(selector: Json | undefined): (labels: Labels) => boolean {
  if (!isObject(selector)) return () => true;
  const wanted = Object.entries(isObject(selector["matchLabels"]) ? selector["matchLabels"] : {});
  const expressions = listOf(selector["matchExpressions"]);
  return (labels) =>
    wanted.every(([key, value]) => labels[key] === value) &&
    expressions.every((expression) => matchExpression(expression as JsonObject, labels));
}

function matchExpression(expression: JsonObject, labels: Labels): boolean {
  const value = labels[textOf(expression["key"])];
  const values = listOf(expression["values"]);
  switch (expression["operator"]) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/**
 * Parses a `fieldSelector` query value: `a.b=c`, `a.b==c`, `a.b!=c`.
 * @param selectable the paths that the resource lets one select by.
 * @throws {ApiError} 400 on another path, as kube-apiserver does.
 */
export function fieldSelector(text: string, selectable: readonly string[]): Selector {
  const terms = termsOf(text).map((term): Selector => {
    const parts = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
    if (parts === null) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
    const path = (parts[1] ?? "").trim();
    if (!selectable.includes(path)) throw badRequest(`field label not supported: ${path}`);
    const steps = path.split(".");
    const negated = parts[2] === "!=";
    return (object) => (scalarText(at(object, ...steps)) === parts[3]) !== negated;
  });
  if (terms.length === 0) return everything;
  return (object) => terms.every((term) => term(object));
}

function scalarText(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? "" : String(value);
}
