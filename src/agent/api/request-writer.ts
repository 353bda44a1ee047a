import { SBD_REMEDIATION } from "../../api/sbd-remediation.ts";
import type { Evidence } from "../../fencing/evidence.ts";
import type { FencerReport } from "../../fencing/fencer-report.ts";
import type { ProofRecord } from "../../fencing/proof-record.ts";
import { packRecord } from "../../fencing/shell/packed-record.ts";
import type { KubeClient } from "../../kube/kube-client.ts";
import { fieldAt, type KubeObject } from "../../kube/kube-object.ts";
import { getObject } from "../../kube/read-objects.ts";
import { resourceTypeOf, type ObjectRef } from "../../kube/resource-type.ts";
import { patchObject } from "../../kube/write-objects.ts";
import { evidencePatch, isMaterial, reportPatch, type FencingPatch } from "./fencing-patch.ts";
import { requestReading } from "./readings.ts";
import { isProven } from "./request-state.ts";
import type { TroubleLog } from "./trouble-log.ts";

export type RequestWriterOptions = {
  /** The fencer's name, as `status.fencing.agent` has it. */
  readonly agent: string;
  readonly timeoutMs: () => number;
  /** Where a request is; null where it is not one of this agent's. */
  readonly refOf: (uid: string) => ObjectRef | null;
  /** What the cache has of a request, to spare reads. */
  readonly cached: (ref: ObjectRef) => KubeObject | undefined;
  readonly onDeclared: (uid: string) => void;
  readonly log: (level: "info", message: string) => void;
  readonly troubles: TroubleLog;
};

/** Writes `status.fencing` of the requests this agent is named for. */
export type RequestWriter = {
  /** Where something changed, and every few seconds. Returns at once. */
  report(report: FencerReport): void;
  /** Records a proof, if a fresh read still names this agent. Returns at once. */
  declare(uid: string, evidence: Evidence, record: ProofRecord): void;
};

const SBD_REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);
const REPORT_EVERY_MS = 5_000;
const REMEMBERED_MAX = 1_024;

/**
 * One exchange a request at a time: a consistent GET that grants, then a patch at the version it
 * showed. What is asked for meanwhile is dropped; the core process says it again.
 */
export function createRequestWriter(
  client: KubeClient,
  options: RequestWriterOptions,
): RequestWriter {
  const { agent, timeoutMs, refOf, cached, onDeclared, log, troubles } = options;
  const busy = new Set<string>();
  const writtenMs = new Map<string, number>();

  async function write(
    uid: string,
    ref: ObjectRef,
    make: (fencing: unknown) => FencingPatch | null,
  ): Promise<"written" | "proven" | "not-written"> {
    const fresh = await getObject(client, SBD_REMEDIATIONS, ref, { timeoutMs: timeoutMs() });
    if (fresh !== null && fresh.metadata.uid === uid && isProven(fresh)) {
      return "proven";
    }
    if (fresh === null || !requestReading(fresh, uid, agent).granted) {
      return "not-written";
    }
    const patch = make(fieldAt(fresh, "status", "fencing"));
    if (patch === null) {
      return "not-written";
    }
    const outcome = await patchObject(
      client,
      SBD_REMEDIATIONS,
      ref,
      { kind: "merge", body: { status: { fencing: patch } } },
      {
        subresource: "status",
        resourceVersion: fresh.metadata.resourceVersion ?? "",
        uid,
        timeoutMs: timeoutMs(),
      },
    );
    if (outcome.kind === "refused") {
      throw new Error(`refused: ${outcome.message}`);
    }
    return outcome.kind === "done" ? "written" : "not-written";
  }

  async function alone(uid: string, work: (ref: ObjectRef) => Promise<void>): Promise<void> {
    const ref = refOf(uid);
    if (ref === null || busy.has(uid)) {
      return;
    }
    const what = `writing request ${ref.namespace}/${ref.name}`;
    busy.add(uid);
    try {
      await work(ref);
      troubles.note(what, null);
    } catch (error) {
      troubles.note(what, error instanceof Error ? error.message : String(error));
    } finally {
      busy.delete(uid);
    }
  }

  function isDue(uid: string, patch: FencingPatch, fencing: unknown): boolean {
    const ageMs = performance.now() - (writtenMs.get(uid) ?? -Infinity);
    return ageMs >= REPORT_EVERY_MS || isMaterial(patch, fencing);
  }

  function remember(uid: string): void {
    writtenMs.delete(uid);
    writtenMs.set(uid, performance.now());
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
        const patch = reportPatch(report, fencing, Date.now());
        return isDue(uid, patch, fencing) ? patch : null;
      };
      const known = ref === null ? undefined : cached(ref);
      if (known !== undefined && patchFor(fieldAt(known, "status", "fencing")) === null) {
        return;
      }
      void alone(uid, async (ref) => {
        const outcome = await write(uid, ref, patchFor);
        if (outcome === "written") remember(uid);
        if (outcome === "proven") onDeclared(uid);
      });
    },
    declare(uid, evidence, record) {
      const observations = packRecord(record);
      void alone(uid, async (ref) => {
        const outcome = await write(uid, ref, () =>
          evidencePatch(evidence, observations, Date.now()),
        );
        if (outcome === "written") log("info", `recorded proof of death: ${evidence.detail}`);
        if (outcome !== "not-written") onDeclared(uid);
      });
    },
  };
}
