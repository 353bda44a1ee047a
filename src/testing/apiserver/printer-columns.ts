import { equal, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Column } from "./resource-type.ts";
import { ageOf, defaultColumns, nameColumn } from "./builtin-columns.ts";

type Step =
  | { kind: "field"; name: string }
  | { kind: "index"; index: number }
  | { kind: "all" }
  | { kind: "filter"; path: string[]; operator: string; value: Json };

/** Splits the simple JSONPath of printer columns: fields, `[n]`, `[*]`, `['x']`, `[?(@.a=="b")]`. */
function stepsOf(jsonPath: string): Step[] {
  const steps: Step[] = [];
  const pattern =
    /\.((?:\\.|[^.[\\])+)|\[(\d+)\]|\[\*\]|\[['"]([^'"]+)['"]\]|\[\?\(@\.([\w.]+)\s*(==|!=)\s*(?:['"]([^'"]*)['"]|([\w.]+))\)\]/gy;
  const text = jsonPath.replace(/^\{|\}$/g, "");
  for (const match of text.matchAll(pattern)) {
    const [whole, field, index, quoted, filterPath, operator, stringValue, bareValue] = match;
    if (field !== undefined) steps.push({ kind: "field", name: field.replaceAll(/\\(.)/g, "$1") });
    else if (index !== undefined) steps.push({ kind: "index", index: Number(index) });
    else if (quoted !== undefined) steps.push({ kind: "field", name: quoted });
    else if (filterPath !== undefined) {
      const value = stringValue ?? (JSON.parse(bareValue ?? "null") as Json);
      steps.push({
        kind: "filter",
        path: filterPath.split("."),
        operator: operator ?? "==",
        value,
      });
    } else if (whole === "[*]") steps.push({ kind: "all" });
  }
  return steps;
}

function follow(values: Json[], step: Step): Json[] {
  switch (step.kind) {
    case "field":
      return present(values.map((value) => (isObject(value) ? value[step.name] : undefined)));
    case "index":
      return present(values.map((value) => listOf(value)[step.index]));
    case "all":
      return values.flatMap((value) =>
        isObject(value) ? present(Object.values(value)) : listOf(value),
      );
    case "filter":
      return values.flatMap((value) =>
        listOf(value).filter((item) => {
          let here: Json | undefined = item;
          for (const name of step.path) here = isObject(here) ? here[name] : undefined;
          return equal(here, step.value) === (step.operator === "==");
        }),
      );
  }
}

function present(values: (Json | undefined)[]): Json[] {
  return values.filter((value) => value !== undefined);
}

/** The first value at a printer column's JSONPath, or undefined. */
export function jsonPathValue(object: Json, jsonPath: string): Json | undefined {
  let values: Json[] = [object];
  for (const step of stepsOf(jsonPath)) values = follow(values, step);
  return values[0];
}

function columnOf(definition: JsonObject): Column {
  const path = textOf(definition["jsonPath"]);
  const type = textOf(definition["type"]) as Column["type"];
  const priority = definition["priority"];
  return {
    name: textOf(definition["name"]),
    type,
    ...(definition["format"] === undefined ? {} : { format: textOf(definition["format"]) }),
    description: textOf(definition["description"]),
    priority: typeof priority === "number" ? priority : 0,
    cell: (object, nowMs) => {
      const value = jsonPathValue(object, path);
      if (value === undefined || value === null) return null;
      if (type === "date") return ageOf(value, nowMs);
      if (type === "string") return typeof value === "string" ? value : JSON.stringify(value);
      return value;
    },
  };
}

/** The columns of a custom resource: its name, then `additionalPrinterColumns`, else its age. */
export function printerColumns(definitions: Json | undefined): readonly Column[] {
  const own = listOf(definitions).filter(isObject);
  return own.length === 0 ? defaultColumns : [nameColumn, ...own.map(columnOf)];
}
