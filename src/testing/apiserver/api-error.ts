import type { JsonObject } from "./json.ts";

/** One cause in the details of a Status: which field, what is wrong with it. */
export interface Cause extends JsonObject {
  reason?: string;
  message: string;
  field?: string;
}

/** What a Status says about the object it is about. */
export interface Subject {
  group: string;
  /** The resource's plural, or its kind for `Invalid`, as kube-apiserver does. */
  kind: string;
  name: string;
}

/** An answer that is not a success, carried as the `Status` object that kube-apiserver would send. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status code. */
  readonly code: number;
  /** Machine-readable reason, such as `NotFound`. */
  readonly reason: string;
  readonly details: JsonObject | undefined;

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The body: a `v1` `Status` with `status: Failure`. */
  toStatus(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

function detailsOf(subject: Subject, causes?: Cause[]): JsonObject {
  return {
    ...(subject.name === "" ? {} : { name: subject.name }),
    ...(subject.group === "" ? {} : { group: subject.group }),
    kind: subject.kind,
    ...(causes === undefined ? {} : { causes }),
  };
}

function qualified(subject: Subject): string {
  return subject.group === "" ? subject.kind : `${subject.kind}.${subject.group}`;
}

/** 404: the object is not there. */
export function notFound(subject: Subject): ApiError {
  const message = `${qualified(subject)} "${subject.name}" not found`;
  return new ApiError(404, "NotFound", message, detailsOf(subject));
}

/** 404: nothing is served at this path. */
export function noSuchPath(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

/** 409: an object of that name is there. */
export function alreadyExists(subject: Subject): ApiError {
  const message = `${qualified(subject)} "${subject.name}" already exists`;
  return new ApiError(409, "AlreadyExists", message, detailsOf(subject));
}

/** 409: the object is not what the caller believed it to be. */
export function conflict(subject: Subject, why: string, causes?: Cause[]): ApiError {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${subject.name}": ${why}`;
  return new ApiError(409, "Conflict", message, detailsOf(subject, causes));
}

/** 409 for a stale `metadata.resourceVersion`. */
export function staleVersion(subject: Subject): ApiError {
  return conflict(
    subject,
    "the object has been modified; please apply your changes to the latest version and try again",
  );
}

/** 422: fields are wrong. `subject.kind` is the kind, not the plural. */
export function invalid(subject: Subject, causes: Cause[]): ApiError {
  const lines = causes.map((cause) =>
    cause.field === undefined ? cause.message : `${cause.field}: ${cause.message}`,
  );
  const text = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  const message = `${qualified(subject)} "${subject.name}" is invalid: ${text}`;
  return new ApiError(422, "Invalid", message, detailsOf(subject, causes));
}

/** 400: the request cannot be understood. */
export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

/** 403: the request is understood and refused. */
export function forbidden(subject: Subject, why: string, causes?: Cause[]): ApiError {
  const name = subject.name === "" ? "" : ` "${subject.name}"`;
  const message = `${qualified(subject)}${name} is forbidden: ${why}`;
  return new ApiError(403, "Forbidden", message, detailsOf(subject, causes));
}

/** 401: the token is not one that this server issued, or no longer counts. */
export function unauthorized(): ApiError {
  return new ApiError(401, "Unauthorized", "Unauthorized");
}

/** 410: the history asked for is compacted away; list again. */
export function expired(asked: number, oldest: number): ApiError {
  return new ApiError(410, "Expired", `too old resource version: ${asked} (${oldest})`);
}

/** 405: the path is served, the verb is not. */
export function methodNotAllowed(): ApiError {
  return new ApiError(
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource",
    {},
  );
}

/** 415: a body or patch of a type this resource does not take. */
export function unsupportedMediaType(type: string, accepted: string[]): ApiError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}; got ${type}`;
  return new ApiError(415, "UnsupportedMediaType", message, {});
}
