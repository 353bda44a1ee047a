import assert from "node:assert/strict";
import { evaluateCel } from "./cel.ts";
import { manifests } from "./manifests.ts";

/** What the API server hands to a policy. */
export type AdmissionRequest = {
  readonly operation: "CREATE" | "UPDATE";
  readonly username: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  readonly object: object;
  readonly oldObject?: object;
};

type PolicySpec = {
  readonly matchConditions?: readonly { name: string; expression: string }[];
  readonly variables?: readonly { name: string; expression: string }[];
  readonly validations: readonly {
    expression: string;
    message?: string;
    messageExpression?: string;
  }[];
};

/** The messages of a policy of `deploy/base/admission/` for a request; empty where it is let through. */
export function judge(file: string, request: AdmissionRequest): string[] {
  const policy = manifests(`admission/${file}`).find(
    ({ kind }) => kind === "ValidatingAdmissionPolicy",
  );
  assert.ok(policy);
  const spec = policy["spec"] as PolicySpec;
  const variables: Record<string, unknown> = {};
  const context = {
    object: request.object,
    oldObject: request.oldObject ?? null,
    request: {
      operation: request.operation,
      userInfo: { username: request.username, extra: request.extra ?? {} },
    },
    variables,
  };
  const applies = (spec.matchConditions ?? []).every(
    ({ expression }) => evaluateCel(expression, context) === true,
  );
  if (!applies) return [];
  for (const { name, expression } of spec.variables ?? []) {
    variables[name] = evaluateCel(expression, context);
  }
  return spec.validations
    .filter(({ expression }) => evaluateCel(expression, context) !== true)
    .map(({ message, messageExpression }) =>
      messageExpression === undefined
        ? (message ?? "")
        : String(evaluateCel(messageExpression, context)),
    );
}
