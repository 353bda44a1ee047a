import type { Cause } from "./api-error.ts";
import { equal, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

const typeNames: Record<string, string> = { object: "object", array: "array", string: "string" };

function typeOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function hasType(value: Json, wanted: string): boolean {
  if (wanted === "number") return typeof value === "number";
  return typeOf(value) === wanted;
}

function wrong(path: string, value: Json, why: string): Cause {
  const shown =
    isObject(value) || Array.isArray(value) ? `"${typeOf(value)}"` : JSON.stringify(value);
  return {
    reason: "FieldValueInvalid",
    message: `Invalid value: ${shown}: ${path} in body ${why}`,
    field: path,
  };
}

/** A schema's `pattern`. RE2's own syntax beyond what JavaScript knows is not supported. */
export function compilePattern(pattern: string): RegExp {
  return new RegExp(pattern, "u");
}

const formats: Record<string, RegExp> = {
  "date-time":
    /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/,
  date: /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/,
  uuid: /^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$/,
  byte: /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
  duration:
    /^(0|[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*)$/,
  ipv4: /^(\d{1,3}\.){3}\d{1,3}$/,
};

const integerFormats: Record<string, number> = { int32: 2 ** 31 };

/**
 * Checks a value against a structural schema: types, required, enum, pattern, bounds, lengths,
 * formats, list types, `nullable`, `x-kubernetes-int-or-string`, and allOf, anyOf, oneOf, not.
 * CEL rules are elsewhere.
 */
export function validateSchema(value: Json, schema: JsonObject, path = "", isRoot = true): Cause[] {
  if (value === null && schema["nullable"] === true) return [];
  const causes = checkType(value, schema, path);
  if (causes.length > 0) return causes;
  causes.push(...checkEnum(value, schema, path));
  if (typeof value === "string") causes.push(...checkString(value, schema, path));
  if (typeof value === "number") causes.push(...checkNumber(value, schema, path));
  if (Array.isArray(value)) causes.push(...checkList(value, schema, path));
  if (isObject(value)) causes.push(...checkObject(value, schema, path, isRoot));
  causes.push(...checkJunctors(value, schema, path));
  return causes;
}

function checkType(value: Json, schema: JsonObject, path: string): Cause[] {
  if (schema["x-kubernetes-int-or-string"] === true) {
    if (typeof value === "string" || Number.isInteger(value)) return [];
    return [wrong(path, value, `must be of type integer,string: "${typeOf(value)}"`)];
  }
  const wanted = textOf(schema["type"]);
  if (wanted === "" || hasType(value, wanted)) return [];
  return [
    {
      reason: "FieldValueTypeInvalid",
      message: `Invalid value: "${typeOf(value)}": ${path} in body must be of type ${typeNames[wanted] ?? wanted}: "${typeOf(value)}"`,
      field: path,
    },
  ];
}

function checkEnum(value: Json, schema: JsonObject, path: string): Cause[] {
  const allowed = schema["enum"];
  if (!Array.isArray(allowed) || allowed.some((item) => equal(item, value))) return [];
  const names = allowed.map((item) => JSON.stringify(item)).join(", ");
  return [
    {
      reason: "FieldValueNotSupported",
      message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${names}`,
      field: path,
    },
  ];
}

function checkString(value: string, schema: JsonObject, path: string): Cause[] {
  const causes: Cause[] = [];
  const length = Array.from(value).length;
  const { minLength, maxLength, pattern, format } = schema;
  if (typeof minLength === "number" && length < minLength) {
    causes.push(wrong(path, value, `should be at least ${minLength} chars long`));
  }
  if (typeof maxLength === "number" && length > maxLength) {
    causes.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${maxLength} bytes`,
      field: path,
    });
  }
  if (typeof pattern === "string" && !compilePattern(pattern).test(value)) {
    causes.push(wrong(path, value, `should match '${pattern}'`));
  }
  const known = typeof format === "string" ? formats[format] : undefined;
  if (known !== undefined && !known.test(value)) {
    causes.push(wrong(path, value, `must be of type ${textOf(format)}: ${JSON.stringify(value)}`));
  }
  return causes;
}

function checkNumber(value: number, schema: JsonObject, path: string): Cause[] {
  const { minimum, maximum, multipleOf, format } = schema;
  const causes: Cause[] = [];
  const isAboveOnly = schema["exclusiveMinimum"] === true;
  const isBelowOnly = schema["exclusiveMaximum"] === true;
  if (typeof minimum === "number" && (isAboveOnly ? value <= minimum : value < minimum)) {
    const bound = isAboveOnly ? "greater than" : "greater than or equal to";
    causes.push(wrong(path, value, `should be ${bound} ${minimum}`));
  }
  if (typeof maximum === "number" && (isBelowOnly ? value >= maximum : value > maximum)) {
    const bound = isBelowOnly ? "less than" : "less than or equal to";
    causes.push(wrong(path, value, `should be ${bound} ${maximum}`));
  }
  if (typeof multipleOf === "number" && value % multipleOf !== 0) {
    causes.push(wrong(path, value, `should be a multiple of ${multipleOf}`));
  }
  const limit = typeof format === "string" ? integerFormats[format] : undefined;
  if (limit !== undefined && (value >= limit || value < -limit)) {
    causes.push(wrong(path, value, `must be of type ${textOf(format)}: ${value}`));
  }
  return causes;
}

function checkList(value: Json[], schema: JsonObject, path: string): Cause[] {
  const causes: Cause[] = [];
  const { minItems, maxItems, items } = schema;
  if (typeof minItems === "number" && value.length < minItems) {
    causes.push(wrong(path, value, `should have at least ${minItems} items`));
  }
  if (typeof maxItems === "number" && value.length > maxItems) {
    causes.push({
      reason: "FieldValueTooMany",
      message: `Too many: ${value.length}: must have at most ${maxItems} items`,
      field: path,
    });
  }
  if (isObject(items)) {
    for (const [index, item] of value.entries()) {
      causes.push(...validateSchema(item, items, `${path}[${index}]`, false));
    }
  }
  causes.push(...checkUnique(value, schema, path));
  return causes;
}

function checkUnique(value: Json[], schema: JsonObject, path: string): Cause[] {
  const listType = schema["x-kubernetes-list-type"];
  const keys = listOf(schema["x-kubernetes-list-map-keys"]).map(textOf);
  const seen: Json[] = [];
  const causes: Cause[] = [];
  if (listType !== "set" && listType !== "map") return causes;
  for (const [index, item] of value.entries()) {
    let identity: Json = item;
    if (listType === "map" && isObject(item)) {
      identity = Object.fromEntries(keys.map((key) => [key, item[key] ?? null]));
    }
    if (seen.some((known) => equal(known, identity))) {
      causes.push({
        reason: "FieldValueDuplicate",
        message: `Duplicate value: ${JSON.stringify(identity)}`,
        field: `${path}[${index}]`,
      });
    }
    seen.push(identity);
  }
  return causes;
}

function checkObject(
  value: JsonObject,
  schema: JsonObject,
  path: string,
  isRoot: boolean,
): Cause[] {
  const causes: Cause[] = [];
  for (const name of listOf(schema["required"]).map(textOf)) {
    if (value[name] !== undefined) continue;
    const field = path === "" ? name : `${path}.${name}`;
    causes.push({ reason: "FieldValueRequired", message: "Required value", field });
  }
  const { minProperties, maxProperties, additionalProperties } = schema;
  const count = Object.keys(value).length;
  if (typeof minProperties === "number" && count < minProperties) {
    causes.push(wrong(path, value, `should have at least ${minProperties} properties`));
  }
  if (typeof maxProperties === "number" && count > maxProperties) {
    causes.push({
      reason: "FieldValueTooMany",
      message: `Too many: ${count}: must have at most ${maxProperties} items`,
      field: path,
    });
  }
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || (isRoot && key === "metadata")) continue;
    const property = properties[key] ?? additionalProperties;
    if (!isObject(property)) continue;
    const isNamed = properties[key] !== undefined;
    const joined = path === "" ? key : `${path}.${key}`;
    causes.push(...validateSchema(item, property, isNamed ? joined : `${path}[${key}]`, false));
  }
  return causes;
}

function checkJunctors(value: Json, schema: JsonObject, path: string): Cause[] {
  const causes: Cause[] = [];
  const fits = (item: Json): boolean =>
    !isObject(item) || validateSchema(value, item, path, false).length === 0;
  for (const item of listOf(schema["allOf"])) {
    if (isObject(item)) causes.push(...validateSchema(value, item, path, false));
  }
  if (Array.isArray(schema["anyOf"]) && !schema["anyOf"].some(fits)) {
    causes.push(wrong(path, value, "must validate at least one schema (anyOf)"));
  }
  if (Array.isArray(schema["oneOf"]) && schema["oneOf"].filter(fits).length !== 1) {
    causes.push(wrong(path, value, "must validate one and only one schema (oneOf)"));
  }
  if (isObject(schema["not"]) && fits(schema["not"])) {
    causes.push(wrong(path, value, "must not validate the schema (not)"));
  }
  return causes;
}
