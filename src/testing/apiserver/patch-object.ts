import { badRequest, invalid, unsupportedMediaType } from "./api-error.ts";
import { kindSubjectOf, subjectOf } from "./call.ts";
import type { Call } from "./call.ts";
import { timestamp } from "./clock.ts";
import { isObject } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";
import type { ObjectWriter } from "./object-writer.ts";
import { applyJsonPatch } from "./patch-json.ts";
import { applyMergePatch } from "./patch-merge.ts";
import { applyStrategicMerge } from "./patch-strategic.ts";
import { apiVersionOf } from "./resource-type.ts";
import { serverSideApply } from "./server-side-apply.ts";

const jsonPatch = "application/json-patch+json";
const mergePatch = "application/merge-patch+json";
const strategicPatch = "application/strategic-merge-patch+json";
const applyPatch = "application/apply-patch+yaml";

/** A PATCH as it came in. */
export interface PatchRequest {
  call: Call;
  contentType: string;
  body: Json;
  /** `force=true`, which only server-side apply knows. */
  force: boolean;
}

/** The patched object, and whether an apply created it. */
export interface PatchResult {
  object: KubeObject;
  isNew: boolean;
}

/** Carries out a PATCH of any kind that the resource takes. @throws {ApiError} */
export function patchObject(
  request: PatchRequest,
  writer: ObjectWriter,
  nowMs: number,
): PatchResult {
  const { call, contentType, body } = request;
  if (contentType === applyPatch) return applyObject(request, writer, nowMs);
  const change = changeOf(call, contentType, body);
  return { object: writer.update(call, change, "patch", body), isNew: false };
}

function changeOf(call: Call, contentType: string, body: Json): (old: KubeObject) => KubeObject {
  const { strategicMerge, listShape } = call.type;
  if (contentType === jsonPatch) return (old) => applyJsonPatch(old, body) as KubeObject;
  const accepted = [jsonPatch, mergePatch, applyPatch];
  const isStrategic = contentType === strategicPatch && strategicMerge;
  if (contentType !== mergePatch && !isStrategic) {
    throw unsupportedMediaType(
      contentType,
      strategicMerge ? [...accepted, strategicPatch] : accepted,
    );
  }
  const patch = objectOnly(body);
  if (!isStrategic) return (old) => withoutVersion(patch, applyMergePatch(old, patch), old);
  return (old) => withoutVersion(patch, applyStrategicMerge(old, patch, listShape), old);
}

/** A patch that removes the resource version means the live one. */
function withoutVersion(patch: JsonObject, merged: JsonObject, old: KubeObject): KubeObject {
  const result = merged as KubeObject;
  if (isObject(patch["metadata"]) && patch["metadata"]["resourceVersion"] === null) {
    const { resourceVersion } = old.metadata;
    if (resourceVersion !== undefined) result.metadata.resourceVersion = resourceVersion;
  }
  return result;
}

function objectOnly(body: Json): JsonObject {
  if (!isObject(body)) throw badRequest("a patch of this type must be an object");
  return body;
}

function applyObject(request: PatchRequest, writer: ObjectWriter, nowMs: number): PatchResult {
  const { call, force } = request;
  const applied = objectOnly(request.body) as KubeObject;
  if (!isObject(applied.metadata)) throw badRequest("an applied object needs metadata");
  if (call.fieldManager === "") throw badRequest("fieldManager is required for apply patch");
  if (applied.metadata.managedFields !== undefined) {
    throw badRequest("metadata.managedFields must be nil");
  }
  applied.metadata = { ...applied.metadata, name: applied.metadata.name ?? call.name };
  const expected = apiVersionOf(call.type);
  if (applied.apiVersion !== expected || applied.kind !== call.type.kind) {
    const message = `Invalid value: "${applied.apiVersion}, ${applied.kind}": must be ${expected}, ${call.type.kind}`;
    throw invalid(kindSubjectOf(call, call.name), [
      { reason: "FieldValueInvalid", message, field: "apiVersion" },
    ]);
  }
  const merge = (live: KubeObject | undefined): KubeObject =>
    serverSideApply({
      live,
      applied,
      who: {
        manager: call.fieldManager,
        operation: "Apply",
        apiVersion: expected,
        subresource: call.subresource,
      },
      force,
      time: timestamp(nowMs),
      subject: subjectOf(call),
      shapeOf: call.type.listShape,
    });
  if (writer.exists(call) || call.subresource !== "") {
    return { object: writer.update(call, merge, "patch", applied, true), isNew: false };
  }
  return { object: writer.create(call, merge(undefined), "patch", applied, true), isNew: true };
}
