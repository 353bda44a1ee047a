import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import type { Stored, StoredMeta } from "./scenarios/api-model.ts";
import { bootOf, Cluster, rowOf } from "./scenarios/cluster.ts";
import { wallAt } from "./scenarios/leader.ts";

/*
 * What NodeHealthCheck wrote when its own reconciler was run through these scenarios, written to our
 * cluster at the same instants, with ours in between.
 */
type Line = {
  readonly tMs: number;
  readonly actor: "NHC" | "KUBE";
  readonly verb: "node-ready" | "node-deleted" | "create" | "update" | "delete";
  readonly kind: "Node" | "SBDRemediation";
  readonly name: string;
  readonly body?: {
    readonly status?: "True" | "False" | "Unknown";
    readonly metadata?: Partial<StoredMeta> & { readonly generateName?: string };
    readonly spec?: unknown;
  };
};

type Replay = {
  readonly transcript: string;
  /** What the fencer stand-in comes to, so long after its message is durable. */
  readonly fencer:
    | { readonly comesTo: "proof" | "unfencable"; readonly afterMs: number }
    | { readonly comesTo: "nothing" };
  /** The boot in which a node comes back. */
  readonly returnsInBoot: 1 | 2;
  /** `Succeeded` right after NodeHealthCheck has changed the request, where it does. */
  readonly afterUpdate?: string;
  /** `Succeeded` of each request at the end; "gone" where it is to be gone. */
  readonly ends: Readonly<Record<string, string>>;
};

const SUCCESS = "Succeeded True RemediationFinishedSuccessfully";
const STARTED = "Succeeded Unknown RemediationStarted";
const TIMED_OUT = "Succeeded False RemediationTimeoutByNHC";
const PROOF = { comesTo: "proof", afterMs: 60_000 } as const;
const NOTHING = { comesTo: "nothing" } as const;
const GEN = "worker-1-gen01";

const REPLAYS: readonly Replay[] = [
  { transcript: "classic", fencer: PROOF, returnsInBoot: 2, ends: { [GEN]: "gone" } },
  {
    transcript: "classic-named-after-the-node",
    fencer: PROOF,
    returnsInBoot: 2,
    ends: { "worker-1": SUCCESS },
  },
  {
    transcript: "template-without-spec",
    fencer: PROOF,
    returnsInBoot: 2,
    ends: { "worker-1": SUCCESS },
  },
  {
    transcript: "classic-overdue",
    fencer: NOTHING,
    returnsInBoot: 1,
    afterUpdate: TIMED_OUT,
    ends: { [GEN]: "gone" },
  },
  {
    transcript: "classic-succeeded-node-stays-down",
    fencer: PROOF,
    returnsInBoot: 2,
    afterUpdate: SUCCESS,
    ends: { [GEN]: SUCCESS },
  },
  {
    transcript: "classic-failed",
    fencer: { comesTo: "unfencable", afterMs: 30_000 },
    returnsInBoot: 2,
    ends: { [GEN]: "Succeeded False FencingFailed" },
  },
  {
    transcript: "escalation-timed-out",
    fencer: NOTHING,
    returnsInBoot: 2,
    afterUpdate: TIMED_OUT,
    ends: { [GEN]: "gone" },
  },
  {
    transcript: "escalation-failed-fast",
    fencer: { comesTo: "unfencable", afterMs: 30_000 },
    returnsInBoot: 2,
    afterUpdate: "Succeeded False FencingFailed",
    ends: { [GEN]: "Succeeded False FencingFailed" },
  },
  {
    transcript: "escalation-succeeded-node-stays-down",
    fencer: PROOF,
    returnsInBoot: 2,
    ends: { [GEN]: SUCCESS },
  },
  { transcript: "node-deleted", fencer: NOTHING, returnsInBoot: 1, ends: { [GEN]: "gone" } },
  { transcript: "control-plane", fencer: PROOF, returnsInBoot: 2, ends: { "cp-1-gen01": SUCCESS } },
  { transcript: "storm", fencer: PROOF, returnsInBoot: 2, ends: { [GEN]: SUCCESS } },
  {
    transcript: "unknown-to-false-while-rebooting",
    fencer: NOTHING,
    returnsInBoot: 2,
    ends: { [GEN]: "gone" },
  },
  {
    transcript: "healthy-delay",
    fencer: NOTHING,
    returnsInBoot: 1,
    afterUpdate: STARTED,
    ends: { [GEN]: "gone" },
  },
  {
    transcript: "created-anew",
    fencer: PROOF,
    returnsInBoot: 2,
    ends: { [GEN]: SUCCESS, "worker-1-gen02": SUCCESS },
  },
  {
    transcript: "paused-while-remediating",
    fencer: NOTHING,
    returnsInBoot: 1,
    ends: { [GEN]: STARTED },
  },
];

for (const replay of REPLAYS) {
  test(`NodeHealthCheck, ${replay.transcript.replaceAll("-", " ")}`, () => {
    const player = new Player(replay);
    for (const line of linesOf(replay.transcript)) {
      player.play(line);
    }
    player.end();
  });
}

const TICK_MS = 1_000;
const WATCHED_MS = 120_000;
const OURS = "medik8s.io/sbd-remediation";

class Player {
  readonly #cluster = new Cluster();
  readonly #replay: Replay;
  /** What NodeHealthCheck wrote last of each request. */
  readonly #written = new Map<string, Line["body"]>();

  constructor(replay: Replay) {
    this.#replay = replay;
    for (const name of ["cp-1", "cp-2", "cp-3"]) {
      this.#cluster.addNode(name, { "node-role.kubernetes.io/control-plane": "" });
    }
    this.#cluster.settle();
  }

  play(line: Line): void {
    this.#waitUntil(line.tMs);
    this.#write(line);
    this.#tick();
    if (line.verb === "create") {
      this.#hasFinalizer(line.name);
    }
    if (line.verb === "update") {
      assert.equal(this.#succeeded(line.name), this.#replay.afterUpdate);
    }
  }

  end(): void {
    this.#waitUntil(this.#cluster.nowMs + WATCHED_MS);
    for (const [name, end] of Object.entries(this.#replay.ends)) {
      assert.equal(this.#succeeded(name), end, name);
    }
    if (this.#cluster.api.list("SBDRemediation").length === 0) {
      for (const { metadata } of this.#cluster.api.list("Node")) {
        assert.deepEqual(this.#cluster.taints(metadata.name), [], "a taint was left behind");
      }
    }
  }

  #succeeded(name: string): string {
    const request = this.#cluster.api.get("SBDRemediation", name);
    const row = request === null ? [] : rowOf(this.#cluster.status(name));
    return row.find((line) => line.startsWith("Succeeded")) ?? "gone";
  }

  #write({ verb, kind, name, body }: Line): void {
    const { api } = this.#cluster;
    if (kind === "Node") {
      if (verb === "node-deleted") {
        api.delete("Node", name);
        return;
      }
      const status = body?.status ?? "Unknown";
      if (status === "True") {
        this.#cluster.reboot(name, this.#replay.returnsInBoot);
      } else {
        this.#cluster.lose(name);
        this.#cluster.setReady(name, status);
      }
      return;
    }
    if (verb === "delete") {
      api.delete("SBDRemediation", name);
      return;
    }
    this.#written.set(name, body);
    if (verb === "create") {
      const metadata = { ...body?.metadata, name, namespace: "sbd-system" };
      api.create("SBDRemediation", metadata, { spec: body?.spec });
      return;
    }
    // A PUT of the whole object as it was read, without what stands behind the status subresource.
    api.change("SBDRemediation", name, (object: Stored) => {
      object.metadata = { ...object.metadata, ...body?.metadata };
      object.spec = body?.spec;
    });
  }

  #waitUntil(untilMs: number): void {
    const watchedUntilMs = Math.min(untilMs, this.#cluster.nowMs + WATCHED_MS);
    while (this.#cluster.nowMs + TICK_MS < watchedUntilMs) {
      this.#cluster.nowMs += TICK_MS;
      this.#tick();
    }
    this.#cluster.nowMs = Math.max(untilMs, this.#cluster.nowMs);
    this.#tick();
  }

  #tick(): void {
    this.#cluster.beat();
    this.#cluster.settle();
    this.#actAsFencer();
    this.#actAsWriter();
    this.#cluster.settle();
    this.#nothingOfTheirsIsStripped();
  }

  #actAsFencer(): void {
    for (const { metadata, spec: _, status } of this.#cluster.api.list("SBDRemediation")) {
      const { fencing } = (status ?? {}) as { fencing?: FencingView };
      const { nodeName = "" } = (status ?? {}) as { nodeName?: string };
      if ((fencing?.agent ?? "") === "" || metadata.deletionTimestamp !== undefined) {
        continue;
      }
      if (fencing?.state === "Waiting") {
        this.#cluster.reportDurable(metadata.name, nodeName);
      }
      const { fencer } = this.#replay;
      const durable = fencing?.messageDurableTime;
      if (fencing?.state !== "Durable" || durable === undefined || fencer.comesTo === "nothing") {
        continue;
      }
      if (wallAt(this.#cluster.nowMs - fencer.afterMs) < durable) {
        continue;
      }
      if (fencer.comesTo === "proof") {
        this.#cluster.reportProven(metadata.name, nodeName);
      } else {
        const unfencable = { code: "NOT_ARMED", detail: "never armed in this boot" };
        this.#cluster.fencerReports(metadata.name, { state: "Failed", unfencable });
      }
    }
  }

  /** Agents do the slot tasks they are given. */
  #actAsWriter(): void {
    for (const { spec, status } of this.#cluster.api.list("SBDNode")) {
      const { slotTask } = (status ?? {}) as { slotTask?: { id: string; agent: string } };
      const { nodeID } = spec as { nodeID: number };
      const agent = slotTask === undefined ? null : this.#cluster.slotOf(slotTask.agent);
      if (slotTask !== undefined && agent !== null) {
        const time = wallAt(this.#cluster.nowMs);
        this.#cluster.agentReports(agent.metadata.name, {
          slotTaskResults: [{ id: slotTask.id, nodeID, state: "Done", time }],
        });
      }
    }
  }

  #nothingOfTheirsIsStripped(): void {
    for (const { metadata, spec } of this.#cluster.api.list("SBDRemediation")) {
      const body = this.#written.get(metadata.name);
      assert.deepEqual(spec, body?.spec);
      for (const [field, value] of Object.entries(body?.metadata ?? {})) {
        assert.deepEqual(
          metadata[field as keyof StoredMeta],
          value,
          `${field} of ${metadata.name}`,
        );
      }
    }
  }

  #hasFinalizer(name: string): void {
    const { finalizers } = this.#cluster.api.get("SBDRemediation", name)?.metadata ?? {};
    assert.deepEqual(finalizers, [OURS]);
    assert.equal(rowOf(this.#cluster.status(name))[1], "Processing True RemediationStarted");
    const nodeName = this.#cluster.status(name).nodeName ?? "";
    assert.equal(this.#cluster.node(nodeName).status?.nodeInfo?.bootID, bootOf(nodeName));
    assert.ok(this.#cluster.taints(nodeName).some((taint) => taint.startsWith(OURS)));
  }
}

type FencingView = {
  readonly agent?: string;
  readonly state?: string;
  readonly messageDurableTime?: string;
};

function linesOf(transcript: string): readonly Line[] {
  const url = new URL(`scenarios/node-health-check/${transcript}.jsonl`, import.meta.url);
  return readFileSync(url, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}
