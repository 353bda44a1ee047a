import type { SBDRemediation } from "../src/api/sbd-remediation.ts";
import {
  evidencePatch,
  isMaterial,
  reportPatch,
  type FencingPatch,
} from "../src/agent/api/fencing-patch.ts";
import { requestReading } from "../src/agent/api/readings.ts";
import { isProven } from "../src/agent/api/request-state.ts";
import type { Evidence } from "../src/fencing/evidence.ts";
import type { FencerReport } from "../src/fencing/fencer-report.ts";
import type { KubeObject } from "../src/kube/kube-object.ts";
import { targetOf } from "../src/operator/action.ts";
import type { ApiStore } from "./api-store.ts";
import { mergePatch } from "./object-store.ts";
import type { Call } from "./own-node-writer.ts";

export type RequestWriterParts = {
  readonly api: ApiStore;
  readonly call: Call;
  /** As `status.fencing.agent` has it. */
  readonly agent: string;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** Name of a request of this agent's; null where it is not one. */
  readonly nameOf: (uid: string) => string | null;
  readonly cached: (name: string) => SBDRemediation | null;
  readonly onDeclared: (uid: string) => void;
};

type Outcome = "written" | "proven" | "not-written";

const REPORT_EVERY_MS = 5_000;

/** src/agent/api/request-writer.ts in virtual time: a GET that grants, then a patch at its version. */
export class RequestWriter {
  readonly #parts: RequestWriterParts;
  readonly #busy = new Set<string>();
  readonly #writtenMs = new Map<string, number>();

  constructor(parts: RequestWriterParts) {
    this.#parts = parts;
  }

  report(report: FencerReport): void {
    const { uid } = report;
    const { nameOf, cached, nowMs, wallMs, onDeclared } = this.#parts;
    if (report.state === "Proven") {
      return;
    }
    const patchFor = (fencing: unknown): FencingPatch | null => {
      const patch = reportPatch(report, fencing, wallMs());
      const ageMs = nowMs() - (this.#writtenMs.get(uid) ?? -Infinity);
      return ageMs >= REPORT_EVERY_MS || isMaterial(patch, fencing) ? patch : null;
    };
    const name = nameOf(uid);
    const known = name === null ? null : cached(name);
    if (known !== null && patchFor(known.status.fencing) === null) {
      return;
    }
    this.#write(uid, patchFor, (outcome) => {
      if (outcome === "written") {
        this.#writtenMs.set(uid, nowMs());
      }
      if (outcome === "proven") {
        onDeclared(uid);
      }
    });
  }

  declare(uid: string, evidence: Evidence): void {
    const { wallMs, onDeclared } = this.#parts;
    this.#write(
      uid,
      () => evidencePatch(evidence, null, wallMs()),
      (outcome) => {
        if (outcome !== "not-written") {
          onDeclared(uid);
        }
      },
    );
  }

  #write(
    uid: string,
    make: (fencing: unknown) => FencingPatch | null,
    done: (outcome: Outcome) => void,
  ): void {
    const { api, call, agent, nameOf } = this.#parts;
    const name = nameOf(uid);
    if (name === null || this.#busy.has(uid)) {
      return;
    }
    this.#busy.add(uid);
    const end = (outcome: Outcome): void => {
      this.#busy.delete(uid);
      done(outcome);
    };
    call(
      () => ({ fresh: api.remediations.get(name) }),
      (answer) => {
        const fresh = answer?.fresh ?? null;
        const raw = fresh as unknown as KubeObject | null;
        if (raw !== null && raw.metadata.uid === uid && isProven(raw)) {
          end("proven");
          return;
        }
        const granted = raw !== null && requestReading(raw, uid, agent).granted;
        const patch = granted ? make(fresh?.status.fencing) : null;
        if (fresh === null || patch === null) {
          end("not-written");
          return;
        }
        call(
          () =>
            api.remediations.write(targetOf(fresh), (request) => ({
              ...request,
              status: mergePatch(request.status, { fencing: patch }),
            })),
          (outcome) => end(outcome === "done" ? "written" : "not-written"),
        );
      },
    );
  }
}
