import { z } from "zod";

/** A value as JSON has it. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** OpenAPI v3 schema in the structural form that CustomResourceDefinitions demand. */
export type StructuralSchema = { [key: string]: Json };

const SCALAR_KEYWORDS = new Set([
  "type",
  "description",
  "default",
  "enum",
  "format",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "pattern",
  "required",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-validations",
]);

const TYPES = new Set(["object", "array", "string", "integer", "number", "boolean"]);

/**
 * Turns a zod schema into the structural schema the API server takes: what may be left out of a
 * write (defaults, optional fields) is not required there.
 *
 * Throws on anything a structural schema cannot say (unions, transforms, records without a value
 * type), so that the API server never accepts less or more than the parser.
 *
 * Source: kubernetes.io, "Extend the Kubernetes API with CustomResourceDefinitions", "Specifying a
 * structural schema".
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const converted = z.toJSONSchema(schema, {
    io: "input",
    target: "openapi-3.0",
    unrepresentable: "throw",
    reused: "inline",
    cycles: "throw",
  });
  return structural(JSON.parse(JSON.stringify(converted)) as Json, "(root)");
}

function structural(node: Json | undefined, path: string): StructuralSchema {
  if (node === null || typeof node !== "object" || Array.isArray(node)) {
    throw new TypeError(`No schema at ${path}: a structural schema describes every field`);
  }
  const type = node["type"];
  if (typeof type !== "string" || !TYPES.has(type)) {
    throw new TypeError(`No single type at ${path}: a structural schema gives every field one`);
  }
  const out: StructuralSchema = {};
  for (const [keyword, value] of Object.entries(node)) {
    if (keyword === "properties") {
      out[keyword] = Object.fromEntries(
        Object.entries(value as { [key: string]: Json }).map(([name, child]) => [
          name,
          structural(child, `${path}.${name}`),
        ]),
      );
    } else if (keyword === "items") {
      out[keyword] = structural(value, `${path}[]`);
    } else if (keyword === "additionalProperties") {
      // `false` and `{}` are zod's strict and loose objects; the API server prunes by itself.
      out[keyword] = structural(value, `${path}.*`);
    } else if (keyword === "maximum" && value === Number.MAX_SAFE_INTEGER) {
      // JavaScript's limit, of no meaning to whoever reads the CRD.
      continue;
    } else if (keyword === "minimum" && value === Number.MIN_SAFE_INTEGER) {
      continue;
    } else if (keyword === "pattern" && node["format"] === "date-time") {
      // The API server knows the format; zod's pattern for it is 300 characters of the same.
      continue;
    } else if (SCALAR_KEYWORDS.has(keyword)) {
      out[keyword] = value;
    } else {
      throw new TypeError(`Keyword '${keyword}' at ${path} has no place in a structural schema`);
    }
  }
  if (type === "integer") out["format"] = "int64";
  if (type === "array" && out["items"] === undefined) {
    throw new TypeError(`No items at ${path}: a structural schema describes every element`);
  }
  const fields = {
    ...(out["properties"] as object | undefined),
    ...(out["additionalProperties"] as object | undefined),
  };
  if (type === "object" && Object.keys(fields).length === 0) {
    throw new TypeError(`An object without fields at ${path}: everything in it would be pruned`);
  }
  return out;
}
