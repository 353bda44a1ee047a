import { Environment, parse } from "@marcbachmann/cel-js";
import type { ASTNode } from "@marcbachmann/cel-js";
import { isObject } from "./json.ts";
import type { Json } from "./json.ts";

/** A parsed expression. */
export interface CelProgram {
  source: string;
  ast: ASTNode;
  /** @throws {Error} whose message is one line, when the evaluation fails. */
  evaluate: (variables: Record<string, unknown>) => unknown;
}

type Ordered = bigint | number | string | Date | boolean;

function isSorted(list: Ordered[]): boolean {
  return list.every((item, index) => index === 0 || (list[index - 1] as Ordered) <= item);
}

function format(template: string, values: unknown[]): string {
  let next = 0;
  return template.replaceAll(/%(%|s|d|\.\d+f|f|x|b|e)/g, (_, verb: string) => {
    if (verb === "%") return "%";
    const value = values[next];
    next += 1;
    const digits = /^\.(\d+)f$/.exec(verb);
    if (digits !== null) return Number(value).toFixed(Number(digits[1]));
    return celText(value);
  });
}

function celText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(celText).join(", ")}]`;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object" && value !== null) return JSON.stringify(value, bigintAsText);
  return String(value);
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

interface CelOptional {
  hasValue: () => boolean;
  value: () => unknown;
}

function equalOptionals(a: CelOptional, b: CelOptional): boolean {
  if (!a.hasValue() || !b.hasValue()) return a.hasValue() === b.hasValue();
  return equalValues({ a: a.value(), b: b.value() }) === true;
}

/** The environment of both CRD rules and admission policies: CEL, plus what kube-apiserver adds. */
function environment(): Environment {
  return new Environment({
    unlistedVariablesAreDyn: true,
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
  })
    .registerFunction(
      "string.replace(string, string): string",
      (text: string, a: string, b: string) => text.replaceAll(a, b),
    )
    .registerFunction("string.charAt(int): string", (text: string, index: bigint) =>
      text.charAt(Number(index)),
    )
    .registerFunction("string.find(string): string", (text: string, pattern: string) => {
      return new RegExp(pattern, "u").exec(text)?.[0] ?? "";
    })
    .registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) => {
      return [...text.matchAll(new RegExp(pattern, "gu"))].map((match) => match[0]);
    })
    .registerOperator("optional<dyn> == optional<dyn>", equalOptionals)
    .registerFunction("string.format(list<dyn>): string", format)
    .registerFunction("list<dyn>.isSorted(): bool", isSorted)
    .registerFunction("list<dyn>.sum(): dyn", (list: bigint[]) =>
      list.reduce((sum, item) => sum + item, 0n),
    )
    .registerFunction("list<dyn>.min(): dyn", (list: Ordered[]) =>
      list.reduce((a, b) => (b < a ? b : a)),
    )
    .registerFunction("list<dyn>.max(): dyn", (list: Ordered[]) =>
      list.reduce((a, b) => (b > a ? b : a)),
    )
    .registerFunction("list<dyn>.indexOf(dyn): int", (list: unknown[], item: unknown) =>
      BigInt(list.indexOf(item)),
    );
}

const shared = environment();
const equalValues = shared.parse("a == b");
const durationOf = parse("duration(text)");
const optionalOf = shared.parse("optional.of(value)");
const noneOptional = shared.parse("optional.none()");

/** The first line of an error: the rest of it draws the expression. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

/**
 * Parses an expression.
 * @throws {Error} whose message is one line, when the expression is not CEL.
 */
export function compileCel(source: string): CelProgram {
  let parsed: ReturnType<Environment["parse"]>;
  try {
    parsed = shared.parse(source);
  } catch (error) {
    throw new Error(firstLine(error), { cause: error });
  }
  return {
    source,
    ast: parsed.ast,
    evaluate: (variables) => {
      try {
        return parsed(variables) as unknown;
      } catch (error) {
        throw new Error(firstLine(error), { cause: error });
      }
    },
  };
}

/** A CEL timestamp or duration from its text; other text stays text. */
export function celScalar(text: string, formatName: Json | undefined): unknown {
  if (formatName === "date-time" || formatName === "date") return new Date(text);
  if (formatName === "duration") return durationOf({ text }) as unknown;
  return text;
}

/** A CEL optional: of a value, or none for undefined. */
export function celOptional(value: unknown): unknown {
  return value === undefined ? noneOptional() : optionalOf({ value });
}

/** JSON as CEL sees it when no schema says more: whole numbers are ints. */
export function celDynamic(value: Json | undefined): unknown {
  if (value === undefined) return null;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celDynamic);
  if (!isObject(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) result[key] = celDynamic(item);
  }
  return result;
}
