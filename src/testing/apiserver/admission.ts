import { ApiError, forbidden, invalid } from "./api-error.ts";
import type { Cause } from "./api-error.ts";
import { celRefusals } from "./cel-refusals.ts";
import { celDynamic, compileCel } from "./cel.ts";
import type { CelProgram } from "./cel.ts";
import { at, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import type { ResourceType } from "./resource-type.ts";
import { labelSelectorObject } from "./selectors.ts";
import type { Store } from "./store.ts";
import type { User } from "./user.ts";

/** A write about to happen. */
export interface AdmissionRequest {
  operation: "CREATE" | "UPDATE" | "DELETE";
  type: ResourceType;
  subresource: string;
  namespace: string;
  name: string;
  user: User;
  object: KubeObject | undefined;
  oldObject: KubeObject | undefined;
  dryRun: boolean;
}

const group = "admissionregistration.k8s.io";
const codes: Record<string, number> = {
  Unauthorized: 401,
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
};

/**
 * Evaluates ValidatingAdmissionPolicies without parameters: match constraints and conditions,
 * variables, validations, messages, and bindings with the actions Deny, Warn and Audit (which leaves
 * no trace here).
 *
 * Not modelled: paramKind and paramRef, the `authorizer` variable, audit annotations, type checking
 * against schemas, cost limits. A policy that names a paramKind is refused at creation.
 */
export class Admission {
  readonly #store: Store;
  readonly #programs = new Map<string, CelProgram>();

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * @returns warnings for the caller.
   * @throws {ApiError} 422, or the code of the validation's reason, when a policy denies.
   */
  review(request: AdmissionRequest): string[] {
    // kube-apiserver exempts these, so that a policy cannot lock its own removal out.
    if (request.type.group === group) return [];
    const warnings: string[] = [];
    for (const binding of this.#store.list(`validatingadmissionpolicybindings.${group}`)) {
      const name = textOf(at(binding, "spec", "policyName"));
      const policy = this.#store.get(`validatingadmissionpolicies.${group}`, "", name);
      if (policy === undefined) continue;
      if (!this.#matches(at(policy, "spec", "matchConstraints"), request)) continue;
      const narrowed = at(binding, "spec", "matchResources");
      if (narrowed !== undefined && !this.#matches(narrowed, request)) continue;
      const failure = this.#evaluate(policy, request);
      if (failure === undefined) continue;
      const where = `ValidatingAdmissionPolicy '${name}' with binding '${binding.metadata.name}'`;
      const actions = listOf(at(binding, "spec", "validationActions"));
      if (actions.includes("Deny")) {
        throw denial(request, `${where} denied request: ${failure.message}`, failure);
      }
      if (actions.includes("Warn")) {
        warnings.push(`Validation failed for ${where}: ${failure.message}`);
      }
    }
    return warnings;
  }

  #program(source: string): CelProgram {
    const program = this.#programs.get(source) ?? compileCel(source);
    this.#programs.set(source, program);
    return program;
  }

  #matches(constraints: Json | undefined, request: AdmissionRequest): boolean {
    const rules = listOf(at(constraints, "resourceRules"));
    if (rules.length > 0 && !rules.some((rule) => matchesRule(rule, request))) return false;
    const excluded = listOf(at(constraints, "excludeResourceRules"));
    if (excluded.some((rule) => matchesRule(rule, request))) return false;
    const selectsObject = labelSelectorObject(at(constraints, "objectSelector"));
    const candidates = [request.object, request.oldObject].filter((object) => object !== undefined);
    if (!candidates.some((object) => selectsObject(object.metadata.labels ?? {}))) return false;
    const isNamespace = request.type.plural === "namespaces" && request.type.group === "";
    if (!request.type.namespaced && !isNamespace) return true;
    const namespace = isNamespace
      ? (request.object ?? request.oldObject)
      : this.#store.get("namespaces", "", request.namespace);
    const selectsNamespace = labelSelectorObject(at(constraints, "namespaceSelector"));
    return selectsNamespace(namespace?.metadata.labels ?? {});
  }

  #evaluate(policy: KubeObject, request: AdmissionRequest): Failure | undefined {
    const variables = this.#variables(policy, request);
    const isLenient = at(policy, "spec", "failurePolicy") === "Ignore";
    for (const condition of listOf(at(policy, "spec", "matchConditions"))) {
      const source = textOf(at(condition, "expression"));
      try {
        if (this.#program(source).evaluate(variables) !== true) return undefined;
      } catch (error) {
        if (isLenient) return undefined;
        return { message: failedToRun(source, error), reason: "Invalid" };
      }
    }
    for (const validation of listOf(at(policy, "spec", "validations"))) {
      const source = textOf(at(validation, "expression"));
      const reason = textOf(at(validation, "reason")) || "Invalid";
      try {
        if (this.#program(source).evaluate(variables) === true) continue;
      } catch (error) {
        if (isLenient) continue;
        return { message: failedToRun(source, error), reason: "Invalid" };
      }
      return { message: this.#message(validation, source, variables), reason };
    }
    return undefined;
  }

  #message(validation: Json, source: string, variables: Record<string, unknown>): string {
    const expression = textOf(at(validation, "messageExpression"));
    if (expression !== "") {
      try {
        const message = textOf(this.#program(expression).evaluate(variables)).trim();
        if (message !== "") return message;
      } catch {
        // kube-apiserver falls back to the message as well.
      }
    }
    return textOf(at(validation, "message")) || `failed expression: ${source}`;
  }

  #variables(policy: KubeObject, request: AdmissionRequest): Record<string, unknown> {
    const namespace = this.#store.get("namespaces", "", request.namespace);
    const computed: Record<string, unknown> = {};
    const root: Record<string, unknown> = {
      object: celDynamic(request.object),
      oldObject: celDynamic(request.oldObject),
      request: requestVariable(request),
      params: null,
      namespaceObject: celDynamic(namespace),
      variables: computed,
    };
    for (const variable of listOf(at(policy, "spec", "variables"))) {
      const source = textOf(at(variable, "expression"));
      const compute = (): unknown => this.#program(source).evaluate(root);
      // Lazy, as upstream: an error in a variable that nothing reads does no harm.
      let value: { it: unknown } | undefined;
      Object.defineProperty(computed, textOf(at(variable, "name")), {
        enumerable: true,
        get: () => {
          value ??= { it: compute() };
          return value.it;
        },
      });
    }
    return root;
  }
}

interface Failure {
  message: string;
  reason: string;
}

function failedToRun(source: string, error: unknown): string {
  return `expression '${source}' resulted in error: ${(error as Error).message}`;
}

function denial(request: AdmissionRequest, message: string, failure: Failure): ApiError {
  const { type, name } = request;
  const causes = [{ message: failure.message }];
  const base = forbidden({ group: type.group, kind: type.plural, name }, message, causes);
  return new ApiError(codes[failure.reason] ?? 422, failure.reason, base.message, base.details);
}

function requestVariable(request: AdmissionRequest): Record<string, unknown> {
  const { type, user } = request;
  const kind = { group: type.group, version: type.version, kind: type.kind };
  const resource = { group: type.group, version: type.version, resource: type.plural };
  return {
    uid: "",
    kind,
    requestKind: kind,
    resource,
    requestResource: resource,
    subResource: request.subresource,
    requestSubResource: request.subresource,
    name: request.name,
    namespace: request.namespace,
    operation: request.operation,
    userInfo: {
      username: user.name,
      uid: user.uid,
      groups: [...user.groups],
      extra: Object.fromEntries(Object.entries(user.extra).map(([key, item]) => [key, [...item]])),
    },
    dryRun: request.dryRun,
    options: {},
  };
}

function matchesRule(rule: Json, request: AdmissionRequest): boolean {
  if (!isObject(rule)) return false;
  const has = (key: string, value: string): boolean =>
    listOf(rule[key]).some((item) => item === "*" || item === value);
  const names = listOf(rule["resourceNames"]);
  const scope = textOf(rule["scope"]);
  return (
    has("apiGroups", request.type.group) &&
    has("apiVersions", request.type.version) &&
    has("operations", request.operation) &&
    listOf(rule["resources"]).some((item) => matchesResource(textOf(item), request)) &&
    (names.length === 0 || names.includes(request.name)) &&
    (scope !== "Cluster" || !request.type.namespaced) &&
    (scope !== "Namespaced" || request.type.namespaced)
  );
}

function matchesResource(pattern: string, request: AdmissionRequest): boolean {
  const [resource, subresource = ""] = pattern.split("/");
  if (resource !== "*" && resource !== request.type.plural) return false;
  if (pattern === "*/*") return true;
  return subresource === "*" || subresource === request.subresource;
}

/**
 * What is wrong with a policy: expressions that are not CEL, and parameters.
 * @throws {ApiError} 422.
 */
export function checkPolicy(policy: KubeObject): void {
  const causes: Cause[] = [];
  const spec: JsonObject = isObject(policy["spec"]) ? policy["spec"] : {};
  if (spec["paramKind"] !== undefined) {
    causes.push({
      reason: "FieldValueForbidden",
      message: "Forbidden: the embedded API server does not model parameters of policies",
      field: "spec.paramKind",
    });
  }
  if (listOf(at(spec, "matchConstraints", "resourceRules")).length === 0) {
    causes.push({
      reason: "FieldValueRequired",
      message: "Required value",
      field: "spec.matchConstraints.resourceRules",
    });
  }
  for (const list of ["variables", "matchConditions", "validations"]) {
    for (const [index, item] of listOf(spec[list]).entries()) {
      for (const key of ["expression", "messageExpression"]) {
        const source = textOf(at(item, key));
        if (source === "") continue;
        try {
          const [refusal] = celRefusals(compileCel(source).ast, "policy");
          if (refusal !== undefined) throw new Error(refusal);
        } catch (error) {
          const why = `compilation failed: ${(error as Error).message}`;
          const message = `Invalid value: ${JSON.stringify(source)}: ${why}`;
          const field = `spec.${list}[${index}].${key}`;
          causes.push({ reason: "FieldValueInvalid", message, field });
        }
      }
    }
  }
  if (causes.length === 0) return;
  const kind = "ValidatingAdmissionPolicy";
  throw invalid({ group, kind, name: policy.metadata.name ?? "" }, causes);
}
