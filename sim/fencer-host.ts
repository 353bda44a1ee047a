import { initialFencerState, type FencerState } from "../src/fencing/fencer-state.ts";
import { reportRequest } from "../src/fencing/fencer-report.ts";
import type { FencerEffect } from "../src/fencing/fencer-step.ts";
import { stepFencer, type FencerEvent } from "../src/fencing/fencer.ts";
import { openRequests } from "../src/fencing/requests.ts";
import type { ToCore } from "../src/agent/shell/api-message.ts";
import type { FencesReading, HeartbeatsReading } from "../src/observation/region-reading.ts";
import {
  NO_SIGHTINGS,
  sightFences,
  sightHeartbeats,
  type Sightings,
} from "../src/observation/sightings.ts";
import type { FenceSlot } from "../src/protocol/fence-record.ts";
import type { AgentProcess } from "./agent-process.ts";
import { fenceSlot, GARBAGE } from "./shared-device.ts";

/** That an agent is named to fence a node, as its API process tells it. */
export type FenceOrder = ToCore & { readonly type: "fence" };

/** The fencers of one agent process: src/agent/shell/fencer-host.ts in virtual time. */
export class FencerHost {
  readonly fencers = new Map<string, FencerState>();
  readonly #agent: AgentProcess;
  #sightings: Sightings = NO_SIGHTINGS;
  #sightMs = -Infinity;
  #nonces = 0;

  constructor(agent: AgentProcess) {
    this.#agent = agent;
  }

  /** Every agent reads both regions each pass, so a fencer starts with what it has seen. */
  sight(heartbeats: HeartbeatsReading, fences: FencesReading): void {
    const { state, boot } = this.#agent;
    // Where the machine never slept both clocks are one, and so are both sightings.
    this.#sightings =
      boot.suspendedMs === 0
        ? state.sightings
        : sightFences(sightHeartbeats(this.#sightings, heartbeats), fences);
    this.#sightMs = boot.livedMs();
    for (const nodeName of [...this.fencers.keys()]) {
      this.dispatch(nodeName, { type: "sightings", sightings: this.#sightings });
    }
    this.report();
  }

  get sightings(): Sightings {
    return this.#sightings;
  }

  /** After each look at the device, and between two of them where a finer rhythm would have more. */
  report(): void {
    const { api, boot } = this.#agent;
    if (!this.#agent.isOnTime(boot.livedMs() - this.#sightMs)) {
      return;
    }
    for (const fencer of [...this.fencers.values()]) {
      for (const request of openRequests(fencer)) {
        api.reportFencing(reportRequest(fencer, request, boot.rawMs()));
      }
    }
  }

  tick(): void {
    for (const nodeName of [...this.fencers.keys()]) {
      this.dispatch(nodeName, { type: "tick" });
    }
  }

  end(): void {
    this.fencers.clear();
  }

  accept(order: FenceOrder): void {
    const { state, boot } = this.#agent;
    const contract = this.#agent.contract();
    if (contract === null || order.nodeName === state.config.nodeName) {
      return;
    }
    const known = this.fencers.get(order.nodeName);
    if (known === undefined || known.config.target.nodeID !== order.nodeID) {
      this.fencers.set(order.nodeName, {
        ...initialFencerState({
          name: state.config.nodeName,
          nodeID: state.config.nodeID,
          target: { nodeName: order.nodeName, nodeID: order.nodeID },
          contract,
          cluster: { pausableNodes: order.pausableNodes },
        }),
        sightings: this.#sightings,
      });
    }
    const { uid, reason } = order;
    this.dispatch(order.nodeName, { type: "request", uid, reason, finalizerMs: boot.rawMs() });
  }

  /** The proof is recorded. */
  declared(uid: string): void {
    for (const nodeName of [...this.fencers.keys()]) {
      this.dispatch(nodeName, { type: "declared", uid });
    }
  }

  withdraw(uid: string): void {
    for (const [nodeName, fencer] of [...this.fencers]) {
      if (fencer.requests.some((request) => request.uid === uid)) {
        this.dispatch(nodeName, { type: "withdraw", uid });
      }
      if (this.fencers.get(nodeName)?.requests.length === 0) {
        this.fencers.delete(nodeName);
      }
    }
  }

  keepOnly(nodeName: string, openRequestUIDs: readonly string[]): void {
    for (const { uid } of this.fencers.get(nodeName)?.requests ?? []) {
      if (!openRequestUIDs.includes(uid)) {
        this.withdraw(uid);
      }
    }
  }

  dispatch(nodeName: string, event: FencerEvent): void {
    const before = this.fencers.get(nodeName);
    if (before === undefined || !this.#agent.alive) {
      return;
    }
    const { boot, world } = this.#agent;
    this.#nonces += 1;
    const { state, effects } = stepFencer(before, event, {
      nowMs: boot.rawMs(),
      wallNs: this.#agent.wallNs(),
      nonce: `${this.#agent.state.config.startSeed}${this.#nonces}`,
    });
    this.fencers.set(nodeName, state);
    world.coverage.fencerStepped(before, state);
    this.#noteProofs(before, state);
    for (const effect of effects) {
      this.#perform(nodeName, effect);
    }
  }

  #perform(nodeName: string, effect: FencerEffect): void {
    const { api } = this.#agent;
    const startedMs = this.#agent.boot.rawMs();
    switch (effect.type) {
      case "write-fence":
        this.#write(nodeName, effect);
        return;
      case "ask-request": {
        const { uid } = effect;
        api.readRequest(uid, (answer) => {
          const reading = { ...answer, startedMs, endedMs: this.#agent.boot.rawMs() };
          this.dispatch(nodeName, { type: "request-read", uid, reading });
        });
        return;
      }
      case "ask-node":
        api.readNode(nodeName, (answer) => {
          const reading = { ...answer, startedMs, endedMs: this.#agent.boot.rawMs() };
          this.dispatch(nodeName, { type: "node-read", reading });
        });
        return;
      case "declare":
        api.declare(effect.uid, effect.evidence);
    }
  }

  #write(nodeName: string, { record }: FencerEffect & { readonly type: "write-fence" }): void {
    const { worker, boot, world } = this.#agent;
    const { nonce, targetNodeID } = record;
    const name = this.#agent.state.config.nodeName;
    world.say?.(
      `${name} fencer writes message ${record.epoch} to ${nodeName}, ${record.targetBootID}`,
    );
    const requests = this.fencers.get(nodeName)?.requests ?? [];
    world.invariants.messageWritten(
      record,
      requests.map(({ uid }) => uid),
    );
    let readBack: FenceSlot = { kind: "empty" };
    worker.submit({
      read: null,
      write: {
        land: (device) => device.putFence(targetNodeID, fenceSlot(record)),
        tear: (device) => device.putFence(targetNodeID, GARBAGE),
        readBack: (device) => {
          readBack = device.fence(targetNodeID);
        },
      },
      done: (error) => {
        const endedMs = boot.rawMs();
        this.#agent.whenRunning(() =>
          this.dispatch(
            nodeName,
            error === null
              ? { type: "fence-written", nonce, readBack, endedMs }
              : { type: "fence-write-failed", nonce, error },
          ),
        );
      },
    });
  }

  #noteProofs(before: FencerState, after: FencerState): void {
    const { world, state } = this.#agent;
    const name = state.config.nodeName;
    if (after.message.kind !== before.message.kind) {
      world.say?.(
        `${name} fencer of ${after.config.target.nodeName}: message ${after.message.kind}`,
      );
    }
    for (const { uid, proof } of after.requests) {
      const known = before.requests.find((request) => request.uid === uid);
      if (proof !== null && known?.proof == null) {
        world.invariants.proved(uid, proof, after);
        const rule = proof.kind === "Rebooted" ? ` (${proof.rule})` : "";
        world.say?.(
          `${name} fencer PROVES ${proof.bootID} dead: ${proof.kind}${rule}: ${proof.detail}`,
        );
      }
    }
  }
}
