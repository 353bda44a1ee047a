import { deriveTiming } from "../src/timing/contract.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

const EVERY_MS = 5_000;
const UNKNOWN_AFTER_MS = 40_000;

/**
 * Two controllers that are not ours: the one that calls a silent node's Ready Unknown, and
 * NodeHealthCheck, which creates an SBDRemediation for it, gives it up after a while, and deletes it
 * when the node is well.
 */
export class NodeHealthCheck {
  readonly #world: World;
  readonly #unhealthyMs: number;
  readonly #timeoutMs: number;

  constructor(world: World, random: Random) {
    this.#world = world;
    const { msgwaitMs } = deriveTiming(world.schedule);
    this.#unhealthyMs = random.pick([5_000, 30_000, 60_000]);
    this.#timeoutMs = 60_000 + msgwaitMs * random.pick([4, 8]);
  }

  /** Longest time from a request to its being given up. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  begin(): void {
    this.#world.timeline.after(EVERY_MS, () => {
      this.#look();
      this.begin();
    });
  }

  #look(): void {
    const { api, timeline, workloads } = this.#world;
    const { nowMs } = timeline;
    let unhealthy = 0;
    for (const node of api.nodes.values()) {
      if (nowMs - node.heardMs >= UNKNOWN_AFTER_MS) {
        node.ready = false;
        node.unknownSinceMs ??= nowMs;
      }
      unhealthy += node.ready ? 0 : 1;
    }
    workloads.schedule();
    for (const request of [...api.remediations.values()]) {
      if (!request.byHealthCheck || request.deleting) {
        continue;
      }
      if (api.nodes.get(request.nodeName)?.ready === true) {
        this.#world.say?.(`NodeHealthCheck: ${request.nodeName} is well, deletes ${request.uid}`);
        api.deleteRemediation(request);
      } else if (!request.timedOut && nowMs - request.createdMs >= this.#timeoutMs) {
        this.#world.say?.(`NodeHealthCheck gives ${request.uid} up`);
        request.timedOut = true;
        api.touch(request);
      }
    }
    const isMinority = unhealthy <= Math.floor((api.nodes.size - 1) / 2);
    for (const node of api.nodes.values()) {
      const due = node.unknownSinceMs !== null && nowMs - node.unknownSinceMs >= this.#unhealthyMs;
      if (due && isMinority && !api.requestsFor(node.name).some((known) => known.byHealthCheck)) {
        const { uid } = api.createRemediation(node.name, { healthCheck: true });
        this.#world.say?.(`NodeHealthCheck creates ${uid} for ${node.name}`);
      }
    }
  }
}
