import type { Cause } from "./api-error.ts";
import { celRefusals } from "./cel-refusals.ts";
import { compileCel } from "./cel.ts";
import { undefinedFields } from "./cel-schema.ts";
import { at, isObject, listOf, textOf } from "./json.ts";
import { compilePattern } from "./schema-validate.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import { schemaListShape } from "./list-shape.ts";
import { printerColumns } from "./printer-columns.ts";
import type { ResourceType } from "./resource-type.ts";

/** Keeps a CRD until its custom resources are gone. */
export const crdFinalizer = "customresourcecleanup.apiextensions.k8s.io";

const verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

function required(field: string): Cause {
  return { reason: "FieldValueRequired", message: "Required value", field };
}

function bad(field: string, value: Json | undefined, why: string): Cause {
  const message = `Invalid value: ${JSON.stringify(value ?? null)}: ${why}`;
  return { reason: "FieldValueInvalid", message, field };
}

/** What kube-apiserver would refuse in a CustomResourceDefinition: names, versions, schemas, rules. */
export function validateCrd(crd: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const plural = textOf(at(crd, "spec", "names", "plural"));
  const group = textOf(at(crd, "spec", "group"));
  const expected = `${plural}.${group}`;
  if (crd.metadata.name !== expected) {
    causes.push(
      bad("metadata.name", crd.metadata.name, 'must be spec.names.plural+"."+spec.group'),
    );
  }
  for (const name of ["plural", "kind"]) {
    if (textOf(at(crd, "spec", "names", name)) === "") causes.push(required(`spec.names.${name}`));
  }
  const scope = at(crd, "spec", "scope");
  if (scope !== "Namespaced" && scope !== "Cluster") causes.push(required("spec.scope"));
  const versions = listOf(at(crd, "spec", "versions"));
  if (versions.filter((version) => at(version, "storage") === true).length !== 1) {
    causes.push(
      bad("spec.versions", null, "must have exactly one version marked as storage version"),
    );
  }
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}].schema.openAPIV3Schema`;
    const schema = at(version, "schema", "openAPIV3Schema");
    if (isObject(schema)) causes.push(...checkSchema(schema, field, true));
    else causes.push(required(field));
  }
  return causes;
}

function checkSchema(schema: JsonObject, field: string, isRoot: boolean): Cause[] {
  const causes: Cause[] = [];
  const isOpen = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const isIntOrString = schema["x-kubernetes-int-or-string"] === true;
  if (typeof schema["type"] !== "string" && !isOpen && !isIntOrString) {
    causes.push(required(`${field}.type`));
  }
  if (isRoot && schema["type"] !== "object") {
    causes.push(bad(`${field}.type`, schema["type"], "must be object at the root"));
  }
  if (schema["type"] === "array" && !isObject(schema["items"]))
    causes.push(required(`${field}.items`));
  if (schema["properties"] !== undefined && schema["additionalProperties"] !== undefined) {
    causes.push({
      reason: "FieldValueForbidden",
      message: "Forbidden: additionalProperties and properties are mutual exclusive",
      field: `${field}.additionalProperties`,
    });
  }
  causes.push(...checkPattern(schema, field), ...checkListMap(schema, field));
  for (const [index, rule] of listOf(schema["x-kubernetes-validations"]).entries()) {
    causes.push(...checkRule(rule, schema, `${field}.x-kubernetes-validations[${index}]`, isRoot));
  }
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  for (const [name, property] of Object.entries(properties)) {
    if (isRoot && name === "metadata") continue;
    if (isObject(property))
      causes.push(...checkSchema(property, `${field}.properties[${name}]`, false));
  }
  for (const key of ["items", "additionalProperties"]) {
    const below = schema[key];
    if (isObject(below)) causes.push(...checkSchema(below, `${field}.${key}`, false));
  }
  return causes;
}

function checkPattern(schema: JsonObject, field: string): Cause[] {
  if (typeof schema["pattern"] !== "string") return [];
  try {
    compilePattern(schema["pattern"]);
    return [];
  } catch (error) {
    return [bad(`${field}.pattern`, schema["pattern"], (error as Error).message)];
  }
}

function checkListMap(schema: JsonObject, field: string): Cause[] {
  if (schema["x-kubernetes-list-type"] !== "map") return [];
  const keys = listOf(schema["x-kubernetes-list-map-keys"]).map(textOf);
  if (keys.length === 0) return [required(`${field}.x-kubernetes-list-map-keys`)];
  const items = schema["items"];
  const mandatory = new Set(listOf(at(items, "required")).map(textOf));
  return keys
    .filter((key) => {
      const hasDefault = at(items, "properties", key, "default") !== undefined;
      return !hasDefault && !mandatory.has(key);
    })
    .map((key) => required(`${field}.items.properties[${key}].default`));
}

function checkRule(rule: Json, schema: JsonObject, field: string, isRoot: boolean): Cause[] {
  const source = textOf(at(rule, "rule"));
  const causes: Cause[] = [];
  for (const key of ["rule", "messageExpression"]) {
    const text = key === "rule" ? source : textOf(at(rule, key));
    if (text === "") continue;
    try {
      const { ast } = compileCel(text);
      const faults = [
        ...undefinedFields(ast, schema, isRoot).map((name) => `undefined field '${name}'`),
        ...celRefusals(ast, "crd"),
      ];
      for (const fault of faults) {
        causes.push(bad(`${field}.${key}`, text, `compilation failed: ${fault}`));
      }
    } catch (error) {
      causes.push(bad(`${field}.${key}`, text, `compilation failed: ${(error as Error).message}`));
    }
  }
  if (source.trim() === "") causes.push(required(`${field}.rule`));
  return causes;
}

/** The CRD with names filled in and the status of one that is served. `now` is RFC 3339. */
export function established(crd: KubeObject, now: string): KubeObject {
  const kind = textOf(at(crd, "spec", "names", "kind"));
  const given = at(crd, "spec", "names");
  const names: JsonObject = {
    singular: kind.toLowerCase(),
    listKind: `${kind}List`,
    ...(isObject(given) ? given : {}),
  };
  const stored = listOf(at(crd, "spec", "versions"))
    .filter((version) => at(version, "storage") === true)
    .map((version) => textOf(at(version, "name")));
  const before = listOf(at(crd, "status", "storedVersions")).map(textOf);
  const condition = (type: string, reason: string, message: string): JsonObject => {
    const known = listOf(at(crd, "status", "conditions")).find((item) => at(item, "type") === type);
    const lastTransitionTime = textOf(at(known, "lastTransitionTime")) || now;
    return { lastTransitionTime, message, reason, status: "True", type };
  };
  const terminating = listOf(at(crd, "status", "conditions")).filter(
    (item) => at(item, "type") === "Terminating",
  );
  const spec = isObject(crd["spec"]) ? crd["spec"] : {};
  return {
    ...crd,
    spec: { conversion: { strategy: "None" }, ...spec, names },
    status: {
      acceptedNames: names,
      conditions: [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ...terminating,
      ],
      storedVersions: [...new Set([...before, ...stored])],
    },
  };
}

/** One resource type a served version. Versions convert by changing `apiVersion` only. */
export function typesOfCrd(crd: KubeObject): ResourceType[] {
  const group = textOf(at(crd, "spec", "group"));
  const names = at(crd, "spec", "names");
  const versions = listOf(at(crd, "spec", "versions"));
  const storing = versions.find((version) => at(version, "storage") === true);
  const storageVersion = textOf(at(storing, "name"));
  const isNamespaced = at(crd, "spec", "scope") === "Namespaced";
  return versions
    .filter((version) => at(version, "served") === true)
    .map((version) => {
      const name = textOf(at(version, "name"));
      const schema = at(version, "schema", "openAPIV3Schema");
      const own = isObject(schema) ? schema : undefined;
      const selectable = listOf(at(version, "selectableFields")).map((field) =>
        textOf(at(field, "jsonPath")).replace(/^\./, ""),
      );
      return {
        group,
        version: name,
        kind: textOf(at(names, "kind")),
        plural: textOf(at(names, "plural")),
        singular: textOf(at(names, "singular")),
        namespaced: isNamespaced,
        shortNames: listOf(at(names, "shortNames")).map(textOf),
        categories: listOf(at(names, "categories")).map(textOf),
        statusSubresource: at(version, "subresources", "status") !== undefined,
        otherSubresources: [],
        verbs,
        storage: crd.metadata.name ?? "",
        unconditionalUpdate: false,
        generation: true,
        statusOnCreate: at(version, "subresources", "status") === undefined,
        strategicMerge: false,
        selectableFields: [
          "metadata.name",
          ...(isNamespaced ? ["metadata.namespace"] : []),
          ...selectable,
        ],
        columns: printerColumns(at(version, "additionalPrinterColumns")),
        listShape: schemaListShape(own),
        schema: own,
        storageVersion,
        decode: (object) => ({ ...object, apiVersion: `${group}/${storageVersion}` }),
        encode: (object) => ({ ...object, apiVersion: `${group}/${name}` }),
      };
    });
}
