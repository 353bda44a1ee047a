import type { Sightings, SlotSighting } from "../observation/sightings.ts";
import type { Verdict } from "./evidence.ts";
import type { FenceCase } from "./fence-case.ts";
import { judgeDeath, judgeWordAlone, type WordAlone } from "./judgement.ts";
import { canonicalText, fromPlain, toPlain, type PlainData } from "./plain-data.ts";

/** All that the judge looked at when it found a death proven. */
export type ProofGrounds =
  | { readonly kind: "message"; readonly fence: FenceCase }
  /** No message stood: an administrator's word alone. */
  | { readonly kind: "word"; readonly word: WordAlone };

/** The same as it is kept, for anybody to judge again. */
export type ProofRecord = {
  readonly version: typeof PROOF_RECORD_VERSION;
  /** The fencer whose readings these are. */
  readonly by: string;
  /** Its clock at one moment, and the wall clock, Unix ms: dates its instants for people. */
  readonly clock: { readonly rawMs: number; readonly wallMs: number };
  readonly grounds: PlainData;
};

/** Of the record's form. A judge that asks for more than a record holds refuses it. */
export const PROOF_RECORD_VERSION = 2;

/** Thrown for a record that is none, or of another version. */
export class ProofRecordError extends Error {
  override readonly name = "ProofRecordError";
}

/** What the judge says of these grounds; the one judge, for fencers and for whoever asks later. */
export function judgeGrounds(grounds: ProofGrounds): Verdict {
  return grounds.kind === "message" ? judgeDeath(grounds.fence) : judgeWordAlone(grounds.word);
}

/** Bounded: of slots other than the target's no more than the judge needs for the same verdict. */
export function recordGrounds(
  grounds: ProofGrounds,
  by: string,
  clock: ProofRecord["clock"],
): ProofRecord {
  const trimmed = trim(grounds);
  const same = canonicalText(toPlain(judgeGrounds(trimmed)));
  const kept = same === canonicalText(toPlain(judgeGrounds(grounds))) ? trimmed : grounds;
  return { version: PROOF_RECORD_VERSION, by, clock, grounds: toPlain(kept) };
}

/** @throws {ProofRecordError} */
export function readGrounds(record: unknown): ProofGrounds {
  const { version, grounds } = (record ?? {}) as Partial<ProofRecord>;
  if (version !== PROOF_RECORD_VERSION || grounds === undefined) {
    throw new ProofRecordError(
      `Cannot judge the recorded proof: its form is version ${String(version)}, this program knows ` +
        `${PROOF_RECORD_VERSION}. Use the sbdctl of the version that recorded it.`,
    );
  }
  const read = fromPlain(grounds) as ProofGrounds;
  if (read.kind !== "message" && read.kind !== "word") {
    throw new ProofRecordError(
      "Cannot judge the recorded proof: it does not say what it rests on.",
    );
  }
  return read;
}

function trim(grounds: ProofGrounds): ProofGrounds {
  if (grounds.kind === "word") return grounds;
  const { fence } = grounds;
  return {
    kind: "message",
    fence: { ...fence, sightings: trimSightings(fence.sightings, fence.target.nodeID) },
  };
}

function trimSightings(sightings: Sightings, targetID: number): Sightings {
  const heartbeats = [...sightings.heartbeats].map(([nodeID, slot]) =>
    nodeID === targetID ? ([nodeID, slot] as const) : ([nodeID, trimSlot(slot)] as const),
  );
  return {
    ...sightings,
    heartbeats: new Map(heartbeats),
    fences: new Map([...sightings.fences].filter(([nodeID]) => nodeID === targetID)),
  };
}

/** The boot shown last, and one that was seen to move. */
function trimSlot(slot: SlotSighting): SlotSighting {
  const [last, ...earlier] = slot.boots;
  const moved = last?.moved === null ? earlier.find((boot) => boot.moved !== null) : undefined;
  return { ...slot, boots: [last, moved].filter((boot) => boot !== undefined) };
}
