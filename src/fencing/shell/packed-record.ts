import { gunzipSync, gzipSync } from "node:zlib";

import { OBSERVATIONS_LENGTH_MAX } from "../../api/fencing-status.ts";
import { canonicalText, type PlainData } from "../plain-data.ts";
import { ProofRecordError, type ProofRecord } from "../proof-record.ts";

const TEXT_BYTES_MAX = 4 << 20;

/** A proof's record as a status carries it: gzip in base64. Null for one that is too large to be kept. */
export function packRecord(record: ProofRecord): string | null {
  const packed = gzipSync(canonicalText(record)).toString("base64");
  return packed.length <= OBSERVATIONS_LENGTH_MAX ? packed : null;
}

/** @throws {ProofRecordError} */
export function unpackRecord(packed: string): PlainData {
  try {
    const bytes = gunzipSync(Buffer.from(packed, "base64"), { maxOutputLength: TEXT_BYTES_MAX });
    return JSON.parse(bytes.toString("utf8")) as PlainData;
  } catch (error) {
    throw new ProofRecordError(`Cannot read the recorded proof: ${String(error)}`, {
      cause: error,
    });
  }
}
