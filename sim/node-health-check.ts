import { deriveTiming } from "../src/timing/contract.ts";
import { STORAGE_UNHEALTHY_CONDITION, TIMED_OUT_ANNOTATION } from "../src/api/remediation-names.ts";
import { isReady, type KubeNode } from "../src/operator/kube-object.ts";
import { nodeNameOf } from "../src/operator/snapshot.ts";
import { isOfHealthCheck, uidOf } from "./api-store.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

const EVERY_MS = 5_000;

/**
 * NodeHealthCheck, which is not ours: creates an SBDRemediation for a node whose Ready has been
 * Unknown for a while, and in some runs for one with our condition SBDStorageUnhealthy; gives it up
 * after a while, and deletes it when the node is well.
 */
export class NodeHealthCheck {
  readonly #world: World;
  readonly #unhealthyMs: number;
  readonly #timeoutMs: number;
  readonly #watchesStorage: boolean;
  /** Since when each Node has not been well, by UID. */
  readonly #ailingSinceMs = new Map<string, number>();
  readonly #createdMs = new Map<string, number>();

  constructor(world: World, random: Random) {
    this.#world = world;
    const { msgwaitMs } = deriveTiming(world.schedule);
    this.#unhealthyMs = random.pick([5_000, 30_000, 60_000]);
    this.#timeoutMs = 60_000 + msgwaitMs * random.pick([4, 8]);
    // Where nobody may die, nobody asks for a node that lives by the API's vouching.
    this.#watchesStorage = random.chance(0.4) && world.schedule.promise !== "gentle";
  }

  begin(): void {
    this.#world.timeline.after(EVERY_MS, () => {
      this.#look();
      this.begin();
    });
  }

  #look(): void {
    this.#tend();
    const { api, timeline } = this.#world;
    const { nowMs } = timeline;
    const nodes = api.nodes.list();
    const unhealthy = nodes.filter((node) => !this.#isWell(node));
    for (const node of nodes) {
      if (!this.#isAiling(node)) {
        this.#ailingSinceMs.delete(uidOf(node));
      }
    }
    const isMinority = unhealthy.length <= Math.floor((nodes.length - 1) / 2);
    for (const node of unhealthy) {
      const { name } = node.metadata;
      if (!this.#isAiling(node)) {
        continue;
      }
      const sinceMs = this.#ailingSinceMs.get(uidOf(node)) ?? nowMs;
      this.#ailingSinceMs.set(uidOf(node), sinceMs);
      const isDue = nowMs - sinceMs >= this.#unhealthyMs;
      if (isDue && isMinority && !api.requestsFor(name).some(isOfHealthCheck)) {
        const created = api.createRemediation(name, "health-check");
        if (created !== null) {
          this.#createdMs.set(uidOf(created), nowMs);
          this.#world.say?.(`NodeHealthCheck creates ${uidOf(created)} for ${name}`);
        }
      }
    }
  }

  #isWell(node: KubeNode): boolean {
    return isReady(node) && !this.#isAiling(node);
  }

  /** A Node that has not been Ready yet is not well, and not remediated either. */
  #isAiling({ status }: KubeNode): boolean {
    return (
      status?.conditions?.some(
        (condition) =>
          (condition.type === "Ready" && condition.status === "Unknown") ||
          (this.#watchesStorage &&
            condition.type === STORAGE_UNHEALTHY_CONDITION &&
            condition.status === "True"),
      ) === true
    );
  }

  #tend(): void {
    const { api, timeline, say } = this.#world;
    for (const request of api.remediations.list()) {
      const { metadata } = request;
      if (!isOfHealthCheck(request) || metadata.deletionTimestamp !== undefined) {
        continue;
      }
      const nodeName = nodeNameOf(request) ?? "";
      const node = api.nodes.get(nodeName);
      const ageMs = timeline.nowMs - (this.#createdMs.get(uidOf(request)) ?? timeline.nowMs);
      if (node !== null && this.#isWell(node)) {
        say?.(`NodeHealthCheck: ${nodeName} is well, deletes ${uidOf(request)}`);
        api.remediations.delete(metadata.name);
      } else if (
        metadata.annotations?.[TIMED_OUT_ANNOTATION] === undefined &&
        ageMs >= this.#timeoutMs
      ) {
        say?.(`NodeHealthCheck gives ${uidOf(request)} up`);
        api.timeOut(metadata.name);
      }
    }
  }
}
