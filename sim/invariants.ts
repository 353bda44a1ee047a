import { isArmed, type AgentState } from "../src/agent/agent-state.ts";
import { isOpenAgainst, namedAgent, wantsMessage } from "../src/api/request-state.ts";
import {
  OUT_OF_SERVICE_TAINT,
  REMEDIATION_FINALIZER,
  UNPROTECTED_TAINT,
} from "../src/api/remediation-names.ts";
import type { SBDRemediation } from "../src/api/sbd-remediation.ts";
import type { LatchMark } from "../src/agent/effect.ts";
import type { Evidence } from "../src/fencing/evidence.ts";
import type { FencerState } from "../src/fencing/fencer-state.ts";
import type { KubeObject } from "../src/kube/kube-object.ts";
import { bootIDOf, hasTaint, isReady, type KubeNode } from "../src/operator/kube-object.ts";
import { nodeNameOf, outcomeOf } from "../src/operator/snapshot.ts";
import type { FenceRecord, FenceSlot } from "../src/protocol/fence-record.ts";
import { deriveTiming } from "../src/timing/contract.ts";
import type { AgentProcess } from "./agent-process.ts";
import { isOfHealthCheck, uidOf } from "./api-store.ts";
import type { Boot } from "./boot.ts";
import type { PetBy } from "./guard.ts";
import type { Volume } from "./workloads.ts";
import type { World } from "./world.ts";

/**
 * - `S1` death is claimed of a node, by a fencer or by the leader, and an instance of its OS that
 *   started before the message was durable, and could be given pods, lives
 * - `S2` a volume has two live writers, and nobody else has declared the owner of either dead
 * - `S3` a message is durable and not cleared, and the armed boot it is addressed to outlives T + 2W
 * - `S4` one slot has two live owners, or one that knows of the other outlives T + 2W
 * - `S5` a condemned boot is petted on purpose, but for the one keepalive that shortens its watchdog
 * - `S6` a fence message is written that an earlier write equals, or whose request has not named its
 *   writer for longer than T
 * - `S7` a leader takes back what it has concluded, concludes without evidence, or puts a node out of
 *   service that is Ready or shows a boot that is not proven dead
 * - `S8` a message of ours kills a node while no request with our finalizer names it; not where somebody
 *   took finalizers away, the Node was deleted, or the message was in flight for six M
 * - `S9` a Node loses the startup taint, while the SBDConfig stands, before its agent was armed in the boot
 *   that the Node shows
 * - `S10` a message is written to a boot that its Node has told for longer than T, and every request that it
 *   is written for is about another boot
 * - `L1` no fault beyond what a node tolerates, and a node dies
 * - `L2` a request does not end, or the work of a node proven dead is not released, in bounded time
 * - `L3` a finalizer is held for ever
 */
export type InvariantCode =
  | "S1"
  | "S2"
  | "S3"
  | "S4"
  | "S5"
  | "S6"
  | "S7"
  | "S8"
  | "S9"
  | "S10"
  | "L1"
  | "L2"
  | "L3";

export type Violation = {
  readonly code: InvariantCode;
  readonly atMs: number;
  readonly detail: string;
};

/** Deaths that somebody wanted, and none of ours. */
export const WANTED_DEATHS = ["a reset", "the power goes", "an administrator switches it off"];

/** Room for clocks that differ by 200 ppm and a sleep shorter than the slack. */
const RATE_TOLERANCE = 1.0004;
const SLEEP_TOLERANCE_MS = 1_600;
const ALTERNATIONS_MAX = 3;
/** In M: for so long a deleted request waits for a fencer whose write may be in flight. */
const IN_FLIGHT_AT_MOST = 6;

type SlotOwner = { agent: AgentProcess; goodMs: number; alternations: number };
type Obligation = { readonly boot: Boot; readonly landedMs: number };

/** What the API server would have to be asked about at every moment. */
type Known = {
  readonly createdMs: number;
  /** When the finalizer became durable; true time. */
  finalizerMs: number;
  /** When FencingSucceeded became True. */
  fencedMs: number;
  /** It was armed and staying when the request came. */
  readonly fencable: boolean;
  readonly nodeName: string;
  /** And could have been proven dead. */
  failed: boolean;
};

/** Watches one run, and halts it at the first thing that must not happen. */
export class Invariants {
  violation: Violation | null = null;
  readonly #world: World;
  readonly #landedMs = new Map<string, number>();
  readonly #obligations = new Map<number, Obligation>();
  readonly #written = new Set<string>();
  /** When each request last named each fencer, by `UID NAME`; Infinity while it does. */
  readonly #namedUntilMs = new Map<string, number>();
  /** Nodes of which requests went otherwise than by our release: any message may still reach them. */
  readonly #unaccounted = new Set<string>();
  readonly #owners = new Map<number, SlotOwner>();
  /** True time the message was durable that each request's proof rests on. */
  readonly #durableMs = new Map<string, number>();
  /** UID of the Node that each request's proof claims dead; one deleted since is another's word. */
  readonly #claims = new Map<string, string>();
  /** Boots in which an agent was armed at some time. */
  readonly #armedBoots = new Set<string>();
  /** Every request there ever was, by UID. */
  readonly #known = new Map<string, Known>();

  constructor(world: World) {
    this.#world = world;
  }

  /** When a Node came to tell a boot. */
  readonly #toldSinceMs = new Map<string, number>();

  /** Watches the requests in the API server itself. */
  begin(): void {
    this.#world.api.remediations.watchers.push((before, now) => {
      this.#named(before, now);
      if (now !== null) {
        this.#learn(before, now);
      }
      // Nobody claims it any more: taints go now, and where work has moved `S2` watches it.
      if (now === null || now.metadata.deletionTimestamp !== undefined) {
        this.#claims.delete(uidOf(now ?? before!));
      }
    });
    this.#world.api.nodes.watchers.push((before, now) => {
      this.#outOfService(before, now);
      this.#untainted(before, now);
      if (now !== null && (before === null || bootIDOf(before) !== bootIDOf(now))) {
        this.#toldSinceMs.set(`${now.metadata.name} ${bootIDOf(now)}`, this.#world.timeline.nowMs);
      }
      if (now === null && before !== null) {
        this.#unaccounted.add(before.metadata.name);
      }
    });
  }

  fail(code: InvariantCode, detail: string): void {
    if (this.violation === null) {
      this.violation = { code, atMs: this.#world.timeline.nowMs, detail };
      this.#world.say?.(`VIOLATION ${code}: ${detail}`);
    }
  }

  /** Somebody takes the finalizers off every request for the node. */
  finalizersForced(nodeName: string): void {
    this.#unaccounted.add(nodeName);
  }

  bootEnded(boot: Boot, why: string): void {
    if (this.#world.schedule.promise === "gentle" && !WANTED_DEATHS.includes(why)) {
      this.fail("L1", `${boot.machine.nodeName} (${boot.bootID}) died without need: ${why}`);
    }
  }

  petted(boot: Boot, by: PetBy): void {
    const shortens = by === "latched" && !boot.shortened;
    boot.shortened ||= shortens;
    if (boot.condemned && !shortens) {
      this.fail(
        "S5",
        `${boot.machine.nodeName} (${boot.bootID}) is condemned and was petted: ${by}`,
      );
    }
  }

  agentStepped(agent: AgentProcess, before: AgentState, after: AgentState): void {
    if (after.life.kind === "conflict" && before.life.kind !== "conflict") {
      this.#mustDie(agent.boot, "it knows that its slot has another owner");
    }
    if (after.life.kind === "latched" && before.life.kind !== "latched") {
      this.#obeys(agent.state.config.nodeName, after.life.mark);
    }
    if (isArmed(after)) {
      this.#armedBoots.add(agent.boot.bootID);
    }
    if (after.lastGood !== before.lastGood && isArmed(after)) {
      this.#owns(agent);
    }
  }

  #obeys(nodeName: string, { bootID, epoch, fencer }: LatchMark): void {
    const { api, schedule, timeline } = this.#world;
    const stands = api
      .requestsFor(nodeName)
      .some(({ metadata }) => metadata.finalizers?.includes(REMEDIATION_FINALIZER) === true);
    const namedUntilMs = [...this.#known]
      .filter(([, known]) => known.nodeName === nodeName)
      .map(([uid]) => this.#namedUntilMs.get(`${uid} ${fencer}`) ?? -Infinity);
    const longMs = IN_FLIGHT_AT_MOST * deriveTiming(schedule).msgwaitMs;
    const wasLong = timeline.nowMs - Math.max(...namedUntilMs) >= longMs;
    // A bare message, which has no epoch, is none of ours.
    if (epoch > 0 && !stands && !wasLong && !this.#unaccounted.has(nodeName)) {
      this.fail(
        "S8",
        `${nodeName} (${bootID}) obeys ${fencer}, and no request with our finalizer stands`,
      );
    }
  }

  /** What lies in a fence slot has changed. */
  fenceChanged(nodeID: number, slot: FenceSlot): void {
    const { nowMs } = this.#world.timeline;
    const record = slot.kind === "fence" ? slot.record : null;
    if (record !== null) {
      const epoch = `${record.targetBootID}/${record.epoch}`;
      for (const key of [record.nonce, epoch]) {
        this.#landedMs.set(key, this.#landedMs.get(key) ?? nowMs);
      }
    }
    const known = this.#obligations.get(nodeID);
    if (known !== undefined && known.boot.bootID === record?.targetBootID) {
      return;
    }
    this.#obligations.delete(nodeID);
    const boot = this.#boots().find(({ bootID }) => bootID === record?.targetBootID);
    if (boot === undefined || !boot.armed || !readsSlot(boot, nodeID)) {
      return;
    }
    const obligation = { boot, landedMs: nowMs };
    this.#obligations.set(nodeID, obligation);
    this.#world.timeline.after(this.#longestLifeMs(), () => {
      const stands = this.#obligations.get(nodeID) === obligation && readsSlot(boot, nodeID);
      if (stands && boot.alive && boot.armed && !boot.beyondBounds && this.#wanted(boot, nowMs)) {
        this.fail(
          "S3",
          `${boot.machine.nodeName} (${boot.bootID}) was ordered dead at ${nowMs / 1_000} s and lives`,
        );
      }
    });
  }

  /** Who may write for a request may have changed, or the request is gone. */
  #named(before: SBDRemediation | null, now: SBDRemediation | null): void {
    const was = writerOf(before);
    const is = writerOf(now);
    if (was !== null && was !== is) {
      this.#namedUntilMs.set(was, this.#world.timeline.nowMs);
    }
    if (is !== null) {
      this.#namedUntilMs.set(is, Infinity);
    }
  }

  #learn(before: SBDRemediation | null, now: SBDRemediation): void {
    const { nowMs } = this.#world.timeline;
    const uid = uidOf(now);
    const nodeName = nodeNameOf(now) ?? "";
    const known = this.#known.get(uid) ?? {
      createdMs: nowMs,
      finalizerMs: Infinity,
      fencedMs: Infinity,
      fencable: this.#isFencable(nodeName),
      nodeName,
      failed: false,
    };
    this.#known.set(uid, known);
    if (now.metadata.finalizers?.includes(REMEDIATION_FINALIZER) === true) {
      known.finalizerMs = Math.min(known.finalizerMs, nowMs);
    }
    if (outcomeOf(now) === "failed" && (before === null || outcomeOf(before) !== "failed")) {
      known.failed = !this.#runsUnseen(nodeName) && !this.#isWellAgain(nodeName, now);
    }
    if (saysFenced(now) && (before === null || !saysFenced(before))) {
      known.fencedMs = nowMs;
      this.#declared(now);
    }
    this.#isFinal(before, now);
  }

  /** What NodeHealthCheck and the next leader have read holds. */
  #isFinal(before: SBDRemediation | null, now: SBDRemediation): void {
    for (const { type, status } of before?.status.conditions ?? []) {
      const is = now.status.conditions?.find((condition) => condition.type === type)?.status;
      const isFinal =
        type === "Succeeded"
          ? status !== "Unknown"
          : type === "FencingSucceeded" && status === "True";
      if (isFinal && is !== status) {
        this.fail("S7", `${uidOf(now)}: ${type} goes from ${status} to ${is}`);
      }
    }
    const isProven = now.status.fencing?.evidence !== undefined;
    if (!isProven && (saysFenced(now) || outcomeOf(now) === "succeeded")) {
      this.fail("S7", `${uidOf(now)} is concluded without evidence`);
    }
  }

  /** The taint lets Kubernetes detach volumes that are mounted. */
  #outOfService(before: KubeNode | null, now: KubeNode | null): void {
    const { key } = OUT_OF_SERVICE_TAINT;
    if (now === null || !hasTaint(now, key) || (before !== null && hasTaint(before, key))) {
      return;
    }
    const { name } = now.metadata;
    const proven = this.#world.api
      .requestsFor(name)
      .map(({ status }) => status.fencing?.evidence?.bootID);
    if (isReady(now) || !proven.includes(bootIDOf(now))) {
      this.fail(
        "S7",
        `${name} is put out of service as ${bootIDOf(now)}, which is not proven dead`,
      );
    }
  }

  /** Pods may start there from now on. A Node that is registered anew begins without taints. */
  #untainted(before: KubeNode | null, now: KubeNode | null): void {
    const { key } = UNPROTECTED_TAINT;
    if (before === null || now === null || !hasTaint(before, key) || hasTaint(now, key)) return;
    const stands = this.#world.api.configs
      .list()
      .some(({ metadata }) => metadata.deletionTimestamp === undefined);
    if (stands && !this.#armedBoots.has(bootIDOf(now))) {
      this.fail("S9", `${now.metadata.name} takes pods as ${bootIDOf(now)}, which was never armed`);
    }
  }

  /**
   * The boot that its kubelet has told last beats armed. A later boot that has not beaten yet, since it
   * does not reach the storage, runs unarmed: nothing but itself or an administrator ends it.
   */
  #isFencable(nodeName: string): boolean {
    const told = this.#world.api.nodes.get(nodeName)?.status?.nodeInfo?.bootID;
    return [...this.#world.device.heartbeats.values()].some(
      (slot) =>
        slot.kind === "heartbeat" &&
        slot.record.nodeName === nodeName &&
        slot.record.bootID === told &&
        slot.record.armed &&
        !slot.record.leaving &&
        !slot.record.detectOnly,
    );
  }

  /**
   * A boot of the node lives, may run its pods, and has never armed: it was told before NoExecute stood, and
   * its storage or agent is still away. Nothing orders it dead, so to call the node dead would be false.
   */
  #runsUnseen(nodeName: string): boolean {
    return this.#boots().some(
      ({ machine, armed, kubelet }) =>
        machine.nodeName === nodeName && !armed && kubelet.heldPodsUnder !== null,
    );
  }

  /** The node runs another boot than the one that was asked for, Ready: that is not ended for its predecessor. */
  #isWellAgain(nodeName: string, { status: { nodeBootID } }: SBDRemediation): boolean {
    const node = this.#world.api.nodes.get(nodeName);
    return node !== null && isReady(node) && bootIDOf(node) !== nodeBootID;
  }

  /** A fencer submits a message. */
  messageWritten(
    nodeName: string,
    { nonce, requestUID, fencerName, targetBootID }: FenceRecord,
    openUIDs: readonly string[],
  ): void {
    const { timeline, schedule } = this.#world;
    if (this.#written.has(nonce)) {
      this.fail("S6", `${fencerName} writes the bytes of an earlier message again`);
    }
    this.#written.add(nonce);
    const limitMs = timeline.nowMs - schedule.timeoutMs * RATE_TOLERANCE - SLEEP_TOLERANCE_MS;
    const wanted = [requestUID, ...openUIDs].some(
      (uid) => (this.#namedUntilMs.get(`${uid} ${fencerName}`) ?? -Infinity) >= limitMs,
    );
    if (!wanted) {
      this.fail(
        "S6",
        `${fencerName} writes a message for ${requestUID}, which has not named it for T`,
      );
    }
    if (!this.#isAskedFor(nodeName, targetBootID, [requestUID, ...openUIDs], limitMs)) {
      this.fail(
        "S10",
        `${fencerName} has ${nodeName} (${targetBootID}) ordered dead for another boot`,
      );
    }
  }

  #isAskedFor(nodeName: string, bootID: string, uids: readonly string[], limitMs: number): boolean {
    const { api } = this.#world;
    const node = api.nodes.get(nodeName);
    const toldMs = this.#toldSinceMs.get(`${nodeName} ${bootID}`) ?? Infinity;
    const isTold = node !== null && bootIDOf(node) === bootID && toldMs < limitMs;
    const asking = api.remediations.list().filter((request) => uids.includes(uidOf(request)));
    const isMeant = asking.some(
      ({ status }) => status.nodeBootID === undefined || status.nodeBootID === bootID,
    );
    return !isTold || isMeant || asking.length === 0;
  }

  /** A fencer has found a proof: from here on it claims death. */
  proved(uid: string, evidence: Evidence, fencer: FencerState): void {
    const key = restsOn(fencer, evidence);
    const known = this.#known.get(uid);
    const request = this.#world.api.remediations.list().find((held) => uidOf(held) === uid);
    if (known === undefined || request === undefined) {
      return;
    }
    const durableMs = Math.max(this.#landedMs.get(key) ?? -Infinity, known.finalizerMs);
    this.#durableMs.set(uid, durableMs);
    const { nodeName } = fencer.config.target;
    if (request.metadata.deletionTimestamp === undefined) {
      this.#claims.set(uid, this.#world.api.nodes.get(nodeName)?.metadata.uid ?? "");
    }
    this.#allDead(fencer.config.target.nodeName, evidence, durableMs);
  }

  /** A leader has set FencingSucceeded=True; on no proof at all, it claims that nothing lives now. */
  #declared(request: SBDRemediation): void {
    const nodeName = nodeNameOf(request) ?? "";
    const evidence = request.status.fencing?.evidence ?? null;
    const durableMs = this.#durableMs.get(uidOf(request));
    this.#allDead(nodeName, evidence, durableMs ?? this.#world.timeline.nowMs);
  }

  /** A kubelet has read its Node without NoExecute: from now on its boot may be given pods. */
  admitted(boot: Boot): void {
    const nodeUID = boot.kubelet.heldPodsUnder;
    for (const [uid, claimed] of this.#claims) {
      if (claimed === nodeUID && boot.startedMs < this.#durableMs.get(uid)!) {
        const { nodeName } = boot.machine;
        this.fail("S1", `${nodeName} is claimed dead, and older ${boot.bootID} may be given pods`);
      }
    }
  }

  writerStarts(volume: Volume, boot: Boot): void {
    const other = volume.writers.find((writer) => writer.boot !== boot && !writer.excused);
    if (other !== undefined) {
      this.fail(
        "S2",
        `${volume.name} is written by ${boot.machine.nodeName} (${boot.bootID}), and still by ` +
          `${other.boot.machine.nodeName} (${other.boot.bootID})`,
      );
    }
  }

  /** After the calm: everything must have come to an end. */
  ended(): void {
    const { api, schedule, timeline } = this.#world;
    for (const request of api.remediations.list()) {
      const known = this.#known.get(uidOf(request))!;
      const { createdMs, fencedMs, nodeName } = known;
      const what = `${uidOf(request)} of ${nodeName}`;
      const outcome = outcomeOf(request);
      if (timeline.nowMs - createdMs < schedule.calmMs) {
        continue;
      }
      if (request.metadata.deletionTimestamp !== undefined) {
        this.fail("L3", `${what} is deleted and keeps its finalizer`);
      } else if (outcome === "open" && isOfHealthCheck(request)) {
        this.fail("L2", `${what} has not ended`);
      } else if (outcome === "fenced" && timeline.nowMs - fencedMs >= schedule.calmMs) {
        this.fail("L2", `${what} is proven dead, and its work is not released`);
      }
    }
    for (const { fencable, failed, nodeName } of this.#known.values()) {
      if (schedule.promise === "lone" && fencable && failed) {
        this.fail("L2", `${nodeName} was fencable and could not be proven dead`);
      }
    }
  }

  #allDead(
    nodeName: string,
    evidence: Pick<Evidence, "kind" | "bootID"> | null,
    durableMs: number,
  ): void {
    const uid = this.#world.api.nodes.get(nodeName)?.metadata.uid ?? null;
    const alive = this.#boots().find(
      (boot) =>
        boot.machine.nodeName === nodeName &&
        (boot.startedMs < durableMs || boot.bootID === evidence?.bootID) &&
        uid !== null &&
        boot.kubelet.heldPodsUnder === uid,
    );
    if (alive !== undefined) {
      this.fail(
        "S1",
        `${nodeName} is claimed dead by ${evidence?.kind ?? "no proof"}, and ${alive.bootID} lives` +
          ` (message durable at ${durableMs / 1_000} s)`,
      );
    }
  }

  #boots(): Boot[] {
    return this.#world.machines.flatMap(({ boot }) => (boot === null ? [] : [boot]));
  }

  /** Somebody still wants it: without a request a surviving agent may vouch for itself. */
  #wanted(boot: Boot, landedMs: number): boolean {
    const { nodeName } = boot.machine;
    return this.#world.api
      .requestsFor(nodeName)
      .some(
        (request) =>
          this.#known.get(uidOf(request))!.finalizerMs <= landedMs &&
          isOpenAgainst(request as unknown as KubeObject, nodeName, boot.bootID),
      );
  }

  #mustDie(boot: Boot, why: string): void {
    if (!boot.armed) {
      return;
    }
    this.#world.timeline.after(this.#longestLifeMs(), () => {
      if (boot.alive && boot.armed) {
        this.fail("S4", `${boot.machine.nodeName} (${boot.bootID}) lives on, though ${why}`);
      }
    });
  }

  #owns(agent: AgentProcess): void {
    const { nodeID } = agent.state.config;
    const { nowMs } = this.#world.timeline;
    const owner = this.#owners.get(nodeID);
    const foreign =
      owner !== undefined &&
      owner.agent.boot.machine !== agent.boot.machine &&
      owner.agent.alive &&
      nowMs - owner.goodMs < 2 * this.#world.schedule.timeoutMs;
    const alternations = foreign ? owner.alternations + 1 : (owner?.alternations ?? 0);
    if (alternations >= ALTERNATIONS_MAX) {
      this.fail("S4", `slot ${nodeID} has two armed owners with good passes`);
    }
    const same = owner?.agent.boot.machine === agent.boot.machine;
    this.#owners.set(nodeID, {
      agent,
      goodMs: nowMs,
      alternations: foreign || same ? alternations : 0,
    });
  }

  #longestLifeMs(): number {
    const { timeoutMs, watchdogMs } = this.#world.schedule;
    return (timeoutMs + 2 * watchdogMs) * RATE_TOLERANCE + SLEEP_TOLERANCE_MS;
  }
}

/** `UID NAME` of who may write for a request; null where nobody may. */
function writerOf(request: SBDRemediation | null): string | null {
  if (request === null) {
    return null;
  }
  const raw = request as unknown as KubeObject;
  const agent = wantsMessage(raw) ? namedAgent(raw) : "";
  return agent === "" ? null : `${uidOf(request)} ${agent}`;
}

function saysFenced({ status }: SBDRemediation): boolean {
  return (
    status.conditions?.some(
      (condition) => condition.type === "FencingSucceeded" && condition.status === "True",
    ) === true
  );
}

/** An agent that was moved to another slot, or looks at a half of the storage, does not read this one. */
function readsSlot(boot: Boot, nodeID: number): boolean {
  if (boot.machine.path.device.isHalf) {
    return false;
  }
  return boot.agent === null || boot.agent.state.config.nodeID === nodeID;
}

/** The message that a proof rests on: the one acknowledged, else the one that stands. */
function restsOn({ message, sightings, config }: FencerState, evidence: Evidence): string {
  const acknowledged =
    evidence.kind === "Acknowledged" || (evidence.kind === "Rebooted" && evidence.rule === "a");
  const epoch = sightings.heartbeats
    .get(config.target.nodeID)
    ?.boots.find(({ record }) => record.bootID === evidence.bootID)?.acknowledgement?.epoch;
  if (acknowledged && epoch !== undefined) {
    return `${evidence.bootID}/${epoch}`;
  }
  return message.kind === "none" ? "" : message.record.nonce;
}
