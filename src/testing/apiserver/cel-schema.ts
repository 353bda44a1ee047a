import type { ASTNode } from "@marcbachmann/cel-js";
import { celChildren } from "./cel-refusals.ts";
import { celDynamic, celScalar } from "./cel.ts";
import { isObject } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

const keywords = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);

const metadataSchema: JsonObject = {
  type: "object",
  properties: { name: { type: "string" }, generateName: { type: "string" } },
};

/** A property's name as an expression must write it. Source: Kubernetes CRD validation rules. */
function escaped(name: string): string {
  if (keywords.has(name)) return `__${name}__`;
  return name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}

/** The properties that rules may name: the schema's, and those that every object has. */
function propertiesOf(schema: JsonObject, isResource: boolean): JsonObject {
  const own = isObject(schema["properties"]) ? schema["properties"] : {};
  if (!isResource) return own;
  const text = { type: "string" };
  return { apiVersion: text, kind: text, ...own, metadata: metadataSchema };
}

/** JSON as CEL sees it under a structural schema. Fields that the schema does not name are left out. */
export function celTyped(value: Json | undefined, schema: JsonObject, isRoot = false): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") {
    return schema["type"] === "number" || !Number.isInteger(value) ? value : BigInt(value);
  }
  if (typeof value === "string") return celScalar(value, schema["format"]);
  if (Array.isArray(value)) {
    const items = schema["items"];
    return value.map((item) => (isObject(items) ? celTyped(item, items) : celDynamic(item)));
  }
  if (typeof value === "boolean") return value;
  const isResource = isRoot || schema["x-kubernetes-embedded-resource"] === true;
  const properties = propertiesOf(schema, isResource);
  const additional = schema["additionalProperties"];
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const property = properties[key];
    if (isObject(property)) result[escaped(key)] = celTyped(item, property);
    else if (isObject(additional)) result[key] = celTyped(item, additional);
  }
  return result;
}

type Scope = ReadonlyMap<string, JsonObject | undefined>;

const comprehensions = new Set(["all", "exists", "exists_one", "existsOne", "filter", "map"]);

/**
 * Finds fields an expression selects that the schema does not have; kube-apiserver refuses such a
 * rule when the CRD is created. Types of operands are not checked.
 */
export function undefinedFields(ast: ASTNode, schema: JsonObject, isRoot: boolean): string[] {
  const found: string[] = [];
  const marked = isRoot ? { ...schema, "x-kubernetes-embedded-resource": true } : schema;
  schemaOfNode(
    ast,
    new Map([
      ["self", marked],
      ["oldSelf", marked],
    ]),
    found,
  );
  return found;
}

function schemaOfNode(node: ASTNode, scope: Scope, found: string[]): JsonObject | undefined {
  switch (node.op) {
    case "id":
      return scope.get(node.args);
    case ".":
    case ".?":
      return selected(node.args[0], node.args[1], scope, found);
    case "[]":
    case "[?]": {
      const base = schemaOfNode(node.args[0], scope, found);
      schemaOfNode(node.args[1], scope, found);
      return elementOf(base);
    }
    case "rcall":
      return receiverCall(node.args[0], node.args[1], node.args[2], scope, found);
    case "call":
      for (const argument of node.args[1]) schemaOfNode(argument, scope, found);
      return undefined;
    default:
      for (const child of celChildren(node.args)) schemaOfNode(child, scope, found);
      return undefined;
  }
}

function selected(
  baseNode: ASTNode,
  field: string,
  scope: Scope,
  found: string[],
): JsonObject | undefined {
  const base = schemaOfNode(baseNode, scope, found);
  if (base === undefined || base["type"] !== "object") return undefined;
  const isResource = base["x-kubernetes-embedded-resource"] === true;
  for (const [name, property] of Object.entries(propertiesOf(base, isResource))) {
    if (escaped(name) === field) return isObject(property) ? property : undefined;
  }
  if (isObject(base["additionalProperties"])) return base["additionalProperties"];
  found.push(field);
  return undefined;
}

function elementOf(schema: JsonObject | undefined): JsonObject | undefined {
  const element = schema?.["items"] ?? schema?.["additionalProperties"];
  return isObject(element) ? element : undefined;
}

function receiverCall(
  name: string,
  receiverNode: ASTNode,
  args: ASTNode[],
  scope: Scope,
  found: string[],
): JsonObject | undefined {
  const receiver = schemaOfNode(receiverNode, scope, found);
  const [variable, ...bodies] = args;
  let inner = scope;
  let rest = args;
  if (variable?.op === "id" && (comprehensions.has(name) || name === "bind")) {
    const items = isObject(receiver?.["items"]) ? receiver["items"] : undefined;
    const bound = name === "bind" && bodies[0] ? schemaOfNode(bodies[0], scope, found) : items;
    inner = new Map([...scope, [variable.args, bound]]);
    rest = bodies;
  }
  for (const argument of rest) schemaOfNode(argument, inner, found);
  return name === "filter" ? receiver : undefined;
}
