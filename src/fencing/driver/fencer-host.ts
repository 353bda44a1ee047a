import { NO_SIGHTINGS, type Sightings } from "../../observation/sightings.ts";
import type { TimingContract } from "../../timing/contract.ts";
import { createFencerDriver, type FencerDriver, type FencerPorts } from "./fencer-driver.ts";
import type { FenceOrder, ToFencer } from "./fencer-message.ts";

/** What the fencers of one process stand on. */
export type FencerHostParts = FencerPorts & {
  /** Its name in messages: the node it runs on, or the pod. It never fences a node of that name. */
  readonly name: string;
  /** Its own slot, 0 for none. */
  readonly nodeID: number;
  /** The device's contract while this process may fence for others; null = it may not. */
  readonly contract: () => TimingContract | null;
  /** Has both regions read from now on: a fencer that was just named writes by what it has read since. */
  readonly lookSoon: () => void;
};

/** Runs one fencer per target. */
export type FencerHost = {
  /** Both regions are read each pass, so a fencer starts with what its process has seen; by `rawMs`. */
  sight(sightings: Sightings): void;
  receive(message: ToFencer): void;
  tick(): void;
  /** Tells how far each request is; also done after each `sight`. */
  report(): void;
  /** Withdraws the requests for a node that a consistent list does not show open. */
  keepOnly(nodeName: string, openRequestUIDs: readonly string[]): void;
  /** What this process has seen of the device so far. */
  readonly sightings: Sightings;
};

export function createFencerHost(parts: FencerHostParts): FencerHost {
  const { name, nodeID, contract, log } = parts;
  const fencers = new Map<string, FencerDriver>();
  let questionIDs = 0;
  let sightings: Sightings = NO_SIGHTINGS;

  function accept({ nodeName, pausableNodes, ...order }: FenceOrder): void {
    const timing = contract();
    if (timing === null || nodeName === name) {
      log("warn", `named to fence ${nodeName}, and may not: no good pass yet`);
      return;
    }
    const fencer = fencerOf(nodeName, order.nodeID, timing, pausableNodes);
    fencer.setPausableNodes(pausableNodes);
    const { uid, reason } = order;
    const isNew = !fencer.state.requests.some((request) => request.uid === uid);
    fencer.tell({ type: "request", uid, reason, finalizerMs: parts.clock.rawMs() });
    if (isNew) {
      parts.lookSoon();
    }
  }

  /** A node that has another slot by now is another target. */
  function fencerOf(
    nodeName: string,
    targetNodeID: number,
    contract: TimingContract,
    pausableNodes: FenceOrder["pausableNodes"],
  ): FencerDriver {
    const known = fencers.get(nodeName);
    if (known?.state.config.target.nodeID === targetNodeID) {
      return known;
    }
    known?.end();
    const target = { nodeName, nodeID: targetNodeID };
    const config = { name, nodeID, target, contract, cluster: { pausableNodes } };
    const started = createFencerDriver(config, sightings, parts, () => (questionIDs += 1));
    fencers.set(nodeName, started);
    return started;
  }

  function withdraw(uid: string): void {
    for (const [nodeName, fencer] of fencers) {
      if (fencer.state.requests.some((request) => request.uid === uid)) {
        fencer.tell({ type: "withdraw", uid });
      }
      if (fencer.state.requests.length === 0) {
        fencer.end();
        fencers.delete(nodeName);
      }
    }
  }

  function report(): void {
    for (const fencer of fencers.values()) {
      fencer.report();
    }
  }

  return {
    sight(seen) {
      sightings = seen;
      for (const fencer of fencers.values()) {
        fencer.tell({ type: "sightings", sightings });
      }
      report();
    },
    receive(message) {
      switch (message.type) {
        case "fence":
          accept(message);
          return;
        case "withdraw":
          withdraw(message.uid);
          return;
        case "request-read":
        case "node-read":
          for (const fencer of fencers.values()) {
            fencer.hear(message);
          }
          return;
        case "declared":
          for (const fencer of fencers.values()) {
            fencer.tell(message);
          }
          return;
      }
    },
    tick() {
      for (const fencer of fencers.values()) {
        fencer.tick();
      }
    },
    report,
    keepOnly(nodeName, openRequestUIDs) {
      for (const { uid } of fencers.get(nodeName)?.state.requests ?? []) {
        if (!openRequestUIDs.includes(uid)) {
          withdraw(uid);
        }
      }
    },
    get sightings() {
      return sightings;
    },
  };
}
