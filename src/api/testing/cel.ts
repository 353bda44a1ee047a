import { celDynamic, compileCel } from "../../testing/apiserver/cel.ts";
import type { Json } from "../structural-schema.ts";

/** Evaluates a CEL expression as the API server would, whole numbers as int. Throws on its errors. */
export function evaluateCel(expression: string, variables: Record<string, unknown>): unknown {
  const context = Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, celDynamic(value as Json)]),
  );
  return compileCel(expression).evaluate(context);
}
