import { badRequest } from "./api-error.ts";
import type { Cause } from "./api-error.ts";
import { at, copyOf, equal, isObject, listOf, textOf } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

const pathSegmentKinds = new Set(["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"]);

function invalidField(field: string, value: Json | undefined, why: string): Cause {
  const message = `Invalid value: ${JSON.stringify(value ?? null)}: ${why}`;
  return { reason: "FieldValueInvalid", message, field };
}

/** Whether an object's name is one that its kind may have. */
export function checkName(kind: string, name: string): Cause[] {
  if (pathSegmentKinds.has(kind)) {
    const isSegment = name !== "." && name !== ".." && !/[/%]/.test(name);
    return isSegment ? [] : [invalidField("metadata.name", name, "may not contain '/' or '%'")];
  }
  const isLabelOnly = kind === "Namespace" || kind === "Service";
  const isValid = isLabelOnly ? dnsLabel.test(name) && name.length <= 63 : subdomain.test(name);
  if (isValid && name.length <= 253) return [];
  const why = isLabelOnly
    ? "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
    : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [invalidField("metadata.name", name, why)];
}

function isQualifiedName(key: string): boolean {
  const slash = key.indexOf("/");
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && (!subdomain.test(prefix) || prefix.length > 253)) return false;
  return labelName.test(name) && name.length <= 63;
}

/** Labels, annotations, finalizers and owner references. */
export function checkMetadata(object: KubeObject): Cause[] {
  const { labels, annotations, finalizers, ownerReferences } = object.metadata;
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (!isQualifiedName(key)) {
      causes.push(invalidField("metadata.labels", key, "name part must be a qualified name"));
    }
    if (!labelValue.test(value) || value.length > 63) {
      causes.push(
        invalidField(
          "metadata.labels",
          value,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', at most 63 of them",
        ),
      );
    }
  }
  for (const key of Object.keys(annotations ?? {})) {
    if (!isQualifiedName(key.toLowerCase())) {
      causes.push(invalidField("metadata.annotations", key, "name part must be a qualified name"));
    }
  }
  for (const finalizer of finalizers ?? []) {
    if (!isQualifiedName(finalizer)) {
      causes.push(
        invalidField("metadata.finalizers", finalizer, "name part must be a qualified name"),
      );
    }
  }
  for (const [index, reference] of (ownerReferences ?? []).entries()) {
    for (const key of ["apiVersion", "kind", "name", "uid"]) {
      if (textOf(reference[key]) !== "") continue;
      const field = `metadata.ownerReferences[${index}].${key}`;
      causes.push(invalidField(field, "", "must not be empty"));
    }
  }
  if ((ownerReferences ?? []).filter(({ controller }) => controller === true).length > 1) {
    causes.push(
      invalidField(
        "metadata.ownerReferences",
        null,
        "only one reference can have Controller set to true",
      ),
    );
  }
  return causes;
}

/**
 * What Go's decoder would refuse in the metadata that every object has.
 * @throws {ApiError} 400.
 */
export function checkMetadataTypes(object: KubeObject): void {
  const metadata: JsonObject = object.metadata;
  for (const key of ["labels", "annotations"]) {
    const map = metadata[key];
    if (map === undefined || map === null) continue;
    if (!isObject(map)) throw undecodable(`metadata.${key}`, "map[string]string");
    for (const value of Object.values(map)) {
      if (typeof value !== "string") throw undecodable(`metadata.${key}`, "string");
    }
  }
  for (const key of ["name", "generateName", "namespace", "uid", "resourceVersion"]) {
    const value = metadata[key];
    if (value !== undefined && value !== null && typeof value !== "string") {
      throw undecodable(`metadata.${key}`, "string");
    }
  }
}

function undecodable(field: string, type: string): Error {
  return badRequest(`json: cannot unmarshal value into Go struct field ${field} of type ${type}`);
}

const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/;
const microTimeFields: Record<string, string[][]> = {
  Lease: [
    ["spec", "acquireTime"],
    ["spec", "renewTime"],
  ],
  Event: [["eventTime"], ["series", "lastObservedTime"]],
};

/**
 * MicroTime fields need exactly six digits of a second, which `Date.toISOString` does not give.
 * @throws {ApiError} 400.
 */
export function checkMicroTimes(object: KubeObject): void {
  for (const path of microTimeFields[object.kind] ?? []) {
    const value = at(object, ...path);
    if (value === undefined || value === null || microTime.test(textOf(value))) continue;
    throw badRequest(
      `${object.kind} in version "v1" cannot be handled as a ${object.kind}: parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05.000000Z07:00" (field ${path.join(".")})`,
    );
  }
}

/**
 * The rules for built-in kinds that clients of ours can trip over: node taints, leases, where events
 * may be, role references, selectors and pods that must not change.
 */
export function checkBuiltin(object: KubeObject, old: KubeObject | undefined): Cause[] {
  switch (object.kind) {
    case "Node":
      return checkTaints(object);
    case "Lease":
      return checkLease(object);
    case "Event":
      return checkEvent(object);
    case "RoleBinding":
    case "ClusterRoleBinding":
      return unchanged(object, old, ["roleRef"], "cannot change roleRef");
    case "DaemonSet":
    case "Deployment":
      return [
        ...checkWorkload(object),
        ...unchanged(object, old, ["spec", "selector"], "field is immutable"),
      ];
    case "Pod":
      return checkPod(object, old);
    default:
      return [];
  }
}

function unchanged(
  object: KubeObject,
  old: KubeObject | undefined,
  path: string[],
  why: string,
): Cause[] {
  if (old === undefined || equal(at(object, ...path), at(old, ...path))) return [];
  return [invalidField(path.join("."), at(object, ...path) ?? null, why)];
}

function checkTaints(node: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const seen = new Set<string>();
  for (const [index, taint] of listOf(at(node, "spec", "taints")).entries()) {
    const field = `spec.taints[${index}]`;
    const key = textOf(at(taint, "key"));
    const effect = textOf(at(taint, "effect"));
    if (!isQualifiedName(key))
      causes.push(invalidField(`${field}.key`, key, "must be a qualified name"));
    if (!["NoSchedule", "PreferNoSchedule", "NoExecute"].includes(effect)) {
      causes.push({
        reason: "FieldValueNotSupported",
        message: `Unsupported value: ${JSON.stringify(effect)}: supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"`,
        field: `${field}.effect`,
      });
    }
    if (seen.has(`${key}:${effect}`)) {
      causes.push({
        reason: "FieldValueDuplicate",
        message: `Duplicate value: ${JSON.stringify(taint)}`,
        field,
      });
    }
    seen.add(`${key}:${effect}`);
  }
  return causes;
}

function checkLease(lease: KubeObject): Cause[] {
  const causes: Cause[] = [];
  const seconds = at(lease, "spec", "leaseDurationSeconds");
  if (typeof seconds === "number" && seconds <= 0) {
    causes.push(invalidField("spec.leaseDurationSeconds", seconds, "must be greater than 0"));
  }
  const transitions = at(lease, "spec", "leaseTransitions");
  if (typeof transitions === "number" && transitions < 0) {
    causes.push(
      invalidField("spec.leaseTransitions", transitions, "must be greater than or equal to 0"),
    );
  }
  return causes;
}

function checkEvent(event: KubeObject): Cause[] {
  const about = textOf(at(event, "involvedObject", "namespace"));
  const own = event.metadata.namespace ?? "";
  const isRight = about === "" ? own === "default" || own === "kube-system" : about === own;
  if (isRight) return [];
  return [invalidField("involvedObject.namespace", about, "does not match event.namespace")];
}

/** What `events.k8s.io/v1` asks of a new Event beyond the core API. `event` is in its stored shape. */
export function checkNewEvent(event: KubeObject): Cause[] {
  const mandatory: [string, string][] = [
    ["eventTime", "eventTime"],
    ["reportingComponent", "reportingController"],
    ["reportingInstance", "reportingInstance"],
    ["action", "action"],
    ["reason", "reason"],
    ["type", "type"],
  ];
  return mandatory
    .filter(([stored]) => textOf(event[stored]) === "")
    .map(([, field]) => ({ reason: "FieldValueRequired", message: "Required value", field }));
}

function checkWorkload(object: KubeObject): Cause[] {
  const selector = at(object, "spec", "selector", "matchLabels");
  const labels = at(object, "spec", "template", "metadata", "labels");
  if (!isObject(selector) || Object.keys(selector).length === 0) {
    return [{ reason: "FieldValueRequired", message: "Required value", field: "spec.selector" }];
  }
  const isSelected = Object.entries(selector).every(([key, value]) => at(labels, key) === value);
  if (isSelected) return [];
  const why = "`selector` does not match template `labels`";
  return [invalidField("spec.template.metadata.labels", labels ?? null, why)];
}

/** A pod's spec without what may change in it. */
function fixedSpec(pod: KubeObject, nodeName: Json | undefined): JsonObject {
  const spec = at(pod, "spec");
  const fixed: JsonObject = isObject(spec) ? { ...spec } : {};
  fixed["nodeName"] = nodeName;
  for (const key of ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"]) {
    delete fixed[key];
  }
  for (const key of ["containers", "initContainers"]) {
    const containers = copyOf(listOf(fixed[key]));
    for (const container of containers) if (isObject(container)) container["image"] = "";
    fixed[key] = containers;
  }
  return fixed;
}

function checkPod(pod: KubeObject, old: KubeObject | undefined): Cause[] {
  if (listOf(at(pod, "spec", "containers")).length === 0) {
    return [{ reason: "FieldValueRequired", message: "Required value", field: "spec.containers" }];
  }
  if (old === undefined) return [];
  // An unset node name may be set: it stands for the binding subresource, which is not modelled.
  const before = textOf(at(old, "spec", "nodeName"));
  const nodeName = before === "" ? at(pod, "spec", "nodeName") : before;
  const claimed = at(pod, "spec", "nodeName");
  if (equal(fixedSpec(pod, claimed), fixedSpec(old, nodeName))) return [];
  return [
    {
      reason: "FieldValueForbidden",
      message:
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
      field: "spec",
    },
  ];
}
