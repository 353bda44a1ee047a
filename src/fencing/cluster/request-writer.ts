import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import { isProven } from "../../api/request-state.ts";
import type { ClusterClock } from "../../kube/cluster-clock.ts";
import { fieldAt, type KubeObject } from "../../kube/kube-object.ts";
import type { KubePort } from "../../kube/kube-port.ts";
import { resourceTypeOf, type ObjectRef } from "../../kube/resource-type.ts";
import type { TroubleLog } from "../../kube/trouble-log.ts";
import type { Evidence } from "../evidence.ts";
import type { FencerReport } from "../fencer-report.ts";
import type { ProofRecord } from "../proof-record.ts";
import { evidencePatch, isMaterial, reportPatch, type FencingPatch } from "./fencing-patch.ts";
import { requestReading } from "./readings.ts";

export type RequestWriterParts = {
  readonly kube: KubePort;
  readonly clock: ClusterClock;
  /** The fencer's name, as `status.fencing.agent` has it. */
  readonly agent: string;
  readonly timeoutMs: () => number;
  /** Where a request is; null where it is not one of this agent's. */
  readonly refOf: (uid: string) => ObjectRef | null;
  /** What the cache has of a request, to spare reads. */
  readonly cached: (ref: ObjectRef) => KubeObject | undefined;
  /** A proof's record as a status carries it; null for one that is too large to be kept. */
  readonly pack: (record: ProofRecord) => string | null;
  readonly onDeclared: (uid: string) => void;
  readonly log: (level: "info", message: string) => void;
  readonly troubles: Pick<TroubleLog, "note">;
};

/** Writes `status.fencing` of the requests this agent is named for. */
export type RequestWriter = {
  /** Where something changed, and every few seconds. Returns at once. */
  report(report: FencerReport): void;
  /** Records a proof, if a fresh read still names this agent. Returns at once. */
  declare(uid: string, evidence: Evidence, record: ProofRecord): void;
};

type Outcome = "written" | "proven" | "not-written";

const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);
const REPORT_EVERY_MS = 5_000;
/** An exchange is two requests, and each of them ends by itself long before. */
const EXCHANGE_WITHIN_MS = 30_000;
const REMEMBERED_MAX = 1_024;

/**
 * One exchange a request at a time: a consistent GET that grants, then a patch at the version it
 * showed. What is asked for meanwhile is dropped; the fencer says it again.
 */
export function createRequestWriter(parts: RequestWriterParts): RequestWriter {
  const { kube, clock, agent, timeoutMs, refOf, cached, onDeclared, log, troubles } = parts;
  /** When each exchange under way began. */
  const busySinceMs = new Map<string, number>();
  const writtenMs = new Map<string, number>();

  function exchange(
    uid: string,
    make: (fencing: unknown) => FencingPatch | null,
    done: (outcome: Outcome) => void,
  ): void {
    const ref = refOf(uid);
    const nowMs = clock.monoMs();
    if (ref === null || nowMs - (busySinceMs.get(uid) ?? -Infinity) < EXCHANGE_WITHIN_MS) {
      return;
    }
    busySinceMs.set(uid, nowMs);
    const end = (outcome: Outcome, trouble: string | null): void => {
      if (busySinceMs.get(uid) === nowMs) {
        busySinceMs.delete(uid);
      }
      troubles.note(`writing request ${ref.namespace}/${ref.name}`, trouble);
      done(outcome);
    };
    kube.get(SBD_REMEDIATIONS, ref, { timeoutMs: timeoutMs() }, (got) => {
      if (!got.ok) {
        end("not-written", got.error);
        return;
      }
      const { reply: fresh } = got;
      if (fresh !== null && fresh.metadata.uid === uid && isProven(fresh)) {
        end("proven", null);
        return;
      }
      const granted = fresh !== null && requestReading(fresh, uid, agent).granted;
      const patch = granted ? make(fieldAt(fresh, "status", "fencing")) : null;
      if (fresh === null || patch === null) {
        end("not-written", null);
        return;
      }
      const within = { timeoutMs: timeoutMs() };
      kube.patchStatus(SBD_REMEDIATIONS, fresh, { fencing: patch }, within, (patched) => {
        if (!patched.ok) {
          end("not-written", patched.error);
        } else if (patched.reply.kind === "refused") {
          end("not-written", `refused: ${patched.reply.message}`);
        } else {
          end(patched.reply.kind === "done" ? "written" : "not-written", null);
        }
      });
    });
  }

  function isDue(uid: string, patch: FencingPatch, fencing: unknown): boolean {
    const ageMs = clock.monoMs() - (writtenMs.get(uid) ?? -Infinity);
    return ageMs >= REPORT_EVERY_MS || isMaterial(patch, fencing);
  }

  function remember(uid: string): void {
    writtenMs.delete(uid);
    writtenMs.set(uid, clock.monoMs());
    const oldest = writtenMs.keys().next();
    if (writtenMs.size > REMEMBERED_MAX && oldest.done !== true) writtenMs.delete(oldest.value);
  }

  return {
    report(report) {
      const { uid } = report;
      // Death is told with its proof, by `declare`.
      if (report.state === "Proven") {
        return;
      }
      const ref = refOf(uid);
      const patchFor = (fencing: unknown): FencingPatch | null => {
        const patch = reportPatch(report, fencing, clock.wallMs());
        return isDue(uid, patch, fencing) ? patch : null;
      };
      const known = ref === null ? undefined : cached(ref);
      if (known !== undefined && patchFor(fieldAt(known, "status", "fencing")) === null) {
        return;
      }
      exchange(uid, patchFor, (outcome) => {
        if (outcome === "written") remember(uid);
        if (outcome === "proven") onDeclared(uid);
      });
    },
    declare(uid, evidence, record) {
      exchange(
        uid,
        () => evidencePatch(evidence, parts.pack(record), clock.wallMs()),
        (outcome) => {
          if (outcome === "written") log("info", `recorded proof of death: ${evidence.detail}`);
          if (outcome !== "not-written") onDeclared(uid);
        },
      );
    },
  };
}
