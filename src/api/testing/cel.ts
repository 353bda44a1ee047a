import { Environment } from "@marcbachmann/cel-js";

/** Evaluates a CEL expression as the API server would, whole numbers as int. Throws on its errors. */
export function evaluateCel(expression: string, variables: Record<string, unknown>): unknown {
  const environment = new Environment({
    unlistedVariablesAreDyn: true,
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
  });
  const context = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, withInts(value)]),
  );
  return environment.evaluate(expression, context);
}

function withInts(value: unknown): unknown {
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(withInts);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withInts(inner)] as const),
  );
}
