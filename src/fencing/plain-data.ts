/** What JSON can hold. */
export type PlainData =
  | null
  | boolean
  | number
  | string
  | readonly PlainData[]
  | { readonly [field: string]: PlainData };

/** Thrown for data that `toPlain` did not make. */
export class PlainDataError extends Error {
  override readonly name = "PlainDataError";
}

const KINDS: ReadonlySet<string> = new Set(["$map", "$set", "$bigint", "$number", "$bytes"]);

/**
 * State of a core as JSON can hold it, and back without loss: maps, sets, bigints, infinities and bytes
 * become objects with one field, `$map` and so on. Fields that are undefined are left out.
 *
 * @throws {TypeError} for functions, symbols and objects that use such a field themselves
 */
export function toPlain(value: unknown): PlainData {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : { $number: String(value) };
    case "bigint":
      return { $bigint: String(value) };
    case "object":
      return value === null ? null : plainObject(value);
    default:
      throw new TypeError(`Cannot record a ${typeof value}`);
  }
}

function plainObject(value: object): PlainData {
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Map) {
    return { $map: [...value].map(([key, inner]) => [toPlain(key), toPlain(inner)]) };
  }
  if (value instanceof Set) return { $set: [...value].map(toPlain) };
  if (value instanceof Uint8Array) return { $bytes: [...value] };
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined);
  if (fields.some(([field]) => KINDS.has(field))) {
    throw new TypeError("Cannot record an object that looks like a recorded map or number");
  }
  return Object.fromEntries(fields.map(([field, inner]) => [field, toPlain(inner)]));
}

/** @throws {PlainDataError} */
export function fromPlain(data: PlainData): unknown {
  if (data === null || typeof data !== "object") return data;
  if (Array.isArray(data)) return data.map(fromPlain);
  const fields = Object.entries(data as { readonly [field: string]: PlainData });
  const [first] = fields;
  if (first === undefined || !KINDS.has(first[0])) {
    return Object.fromEntries(fields.map(([field, inner]) => [field, fromPlain(inner)]));
  }
  const [kind, inner] = first;
  switch (kind) {
    case "$bigint":
      return BigInt(textOf(inner));
    case "$number":
      return Number(textOf(inner));
    case "$set":
      return new Set(listOf(inner).map(fromPlain));
    case "$bytes":
      return Uint8Array.from(listOf(inner) as readonly number[]);
    default:
      return new Map(
        listOf(inner).map((pair) => {
          const [key = null, value = null] = listOf(pair);
          return [fromPlain(key), fromPlain(value)];
        }),
      );
  }
}

/** JSON with every object's fields sorted: equal data has equal text. */
export function canonicalText(data: PlainData): string {
  return JSON.stringify(data, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function textOf(data: PlainData): string {
  if (typeof data === "string") return data;
  throw new PlainDataError("Cannot read the recorded value: a text was expected");
}

function listOf(data: PlainData): readonly PlainData[] {
  if (Array.isArray(data)) return data;
  throw new PlainDataError("Cannot read the recorded value: a list was expected");
}
