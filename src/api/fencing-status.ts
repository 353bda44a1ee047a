import { z } from "zod";
import {
  atomicListOf,
  bootID,
  count,
  described,
  instant,
  machineID,
  nodeID,
  objectName,
  text,
} from "./field.ts";

/** Most entries of `missing`, and most characters of each. */
export const MISSING_MAX = 32;
export const MISSING_LENGTH_MAX = 1_024;
/** Most characters of `observations`; 255 slots that all beat take 40 000. */
export const OBSERVATIONS_LENGTH_MAX = 262_144;

/** What proved the addressed boot dead. */
export const evidence = z.object({
  kind: described(
    "Rebooted: a later boot of the same machine. Acknowledged: the boot said it obeys, and its watchdog had time. Bounded: M passed in silence. ManuallyConfirmed: an administrator vouched.",
    z.enum(["Rebooted", "Acknowledged", "Bounded", "ManuallyConfirmed"]),
  ),
  time: described("When the proof was complete.", instant),
  bootID: described("The boot proven dead.", bootID),
  laterBootID: described("With Rebooted: the boot that runs now.", bootID.optional()),
  detail: described("The proof in words.", text),
  fencerVersion: described("Version of the fencer that found it.", z.string().max(64).optional()),
  observations: described(
    "What the fencer had read, and when, as it judged: gzip in base64, for sbdctl report and sbdctl verify.",
    z.string().max(OBSERVATIONS_LENGTH_MAX).optional(),
  ),
});

/** What the fencer has seen of the target, by its own clock. */
const observed = z.object({
  lastMovementTime: described("The target's heartbeat last moved.", instant.optional()),
  acknowledgedTime: described(
    "The target's acknowledgement of this epoch was first seen.",
    instant.optional(),
  ),
  otherBootID: described(
    "A boot seen in the slot that is not the addressed one.",
    bootID.optional(),
  ),
  bootEarliestTime: described("That boot started no earlier.", instant.optional()),
  bootLatestTime: described("That boot started no later.", instant.optional()),
});

const unfencable = z.object({
  code: described("One word for programs, for example NOT_ARMED.", z.string().min(1).max(64)),
  detail: described("The same in words.", text),
});

/**
 * `status.fencing`: written by the operator's leader (agent) and by the fencer it names (all else).
 * The leader alone turns evidence into conditions.
 */
export const fencing = z.object({
  agent: described(
    "The fencer: the node whose agent writes and watches, or sbd-fencer-<config>. Only the operator changes it.",
    z.string().max(253),
  ),
  agentNamedTime: described("When the operator named it.", instant.optional()),
  configName: described("The SBDConfig whose device is used.", objectName.optional()),
  epoch: described(
    "Number of the fence message; a new message has a higher one.",
    count
      .meta({
        "x-kubernetes-validations": [
          {
            rule: "self >= oldSelf",
            message:
              "epoch may only grow: a late writer with an older fence message is to fail here, and read the object again",
          },
        ],
      })
      .optional(),
  ),
  state: described(
    "Waiting: not written yet. Writing: written, not yet read back. Durable: on the device, proof pending. Proven: the addressed boot is dead. Failed: it cannot be written or proven.",
    z.enum(["Waiting", "Writing", "Durable", "Proven", "Failed"]).optional(),
  ),
  nodeID: described("The target's slot.", nodeID.optional()),
  bootID: described("The boot the message is addressed to.", bootID.optional()),
  machineID: described("The machine the message is addressed to.", machineID.optional()),
  messageDurableTime: described(
    "When the message was read back from the device.",
    instant.optional(),
  ),
  boundSeconds: described(
    "M of this request: silence proves nothing before so many seconds after messageDurableTime.",
    z.number().min(0).optional(),
  ),
  lastPassTime: described("When the fencer last looked at the device.", instant.optional()),
  observed: described("What the fencer has seen.", observed.optional()),
  evidence: described("What proved death.", evidence.optional()),
  missing: atomicListOf(
    "What is still missing for proof.",
    MISSING_MAX,
    z.string().max(MISSING_LENGTH_MAX),
  ).optional(),
  unfencable: described(
    "Why waiting proves nothing about this node: said at once, and Failed after boundSeconds unless something else proves it before.",
    unfencable.optional(),
  ),
  reason: described("Why the fencing failed or waits.", text.optional()),
});

export type FencingStatus = z.output<typeof fencing>;
export type FencingState = NonNullable<FencingStatus["state"]>;
export type FencingEvidence = z.output<typeof evidence>;
export type FencingEvidenceKind = FencingEvidence["kind"];
