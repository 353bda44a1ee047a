import { textAt } from "../kube/kube-object.ts";

const REDACTED = "<left out>";
const SECRET_NAME = /token|secret|passw|credential|api[-_]?key|private/i;
/** A JWT, or what follows `Bearer`; a PEM key. */
const SECRET_TEXT =
  /\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+|(?<=\b[Bb]earer )\S+|-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?-----END [A-Z ]*PRIVATE KEY-----/g;
/** Of no use, and copies of what was left out elsewhere. */
const DROPPED_FIELDS: ReadonlySet<string> = new Set(["managedFields"]);
const DROPPED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

/** A line of a log, or any text, without credentials. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(SECRET_TEXT, REDACTED);
}

/**
 * An object of the API server without what may be secret: values of environment variables and of fields
 * whose names tell of secrets, and credentials in any text.
 */
export function redactedObject(value: unknown): unknown {
  if (typeof value === "string") return withoutSecrets(value);
  if (Array.isArray(value)) return value.map(redactedObject);
  if (typeof value !== "object" || value === null) return value;
  const isSecretVariable = SECRET_NAME.test(textAt(value, "name"));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !DROPPED_FIELDS.has(key) && key !== DROPPED_ANNOTATION)
      .map(([key, inner]) => [
        key,
        typeof inner === "string" &&
        (SECRET_NAME.test(key) || (key === "value" && isSecretVariable))
          ? REDACTED
          : redactedObject(inner),
      ]),
  );
}
