import { randomBytes } from "node:crypto";

import {
  NO_SIGHTINGS,
  sightFences,
  sightHeartbeats,
  type Sightings,
} from "../../observation/sightings.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { FencerConfig, FencerState } from "../../fencing/fencer-state.ts";
import { initialFencerState } from "../../fencing/fencer-state.ts";
import { reportRequest } from "../../fencing/fencer-report.ts";
import type { FencerEffect } from "../../fencing/fencer-step.ts";
import { stepFencer, type FencerEvent } from "../../fencing/fencer.ts";
import { openRequests } from "../../fencing/requests.ts";
import type { TimingContract } from "../../timing/contract.ts";
import type { FromFencer, ToCore } from "./api-message.ts";
import type { DeviceReply } from "../../platform/device-request.ts";
import type { DiskWorker } from "../../platform/disk-worker-handle.ts";

/** What fencers of this process stand on. */
export type FencerHostOptions = {
  /** Its name in messages: the node it runs on, or the pod. It never fences a node of that name. */
  readonly name: string;
  /** Its own slot, 0 for none. */
  readonly nodeID: number;
  readonly worker: DiskWorker;
  readonly send: (message: FromFencer) => void;
  /** The device's contract while this process may fence for others; null = it may not. */
  readonly contract: () => TimingContract | null;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** Runs one fencer core per target; every instant is on the clock that suspend stops. */
export type FencerHost = {
  /** Both regions are read each pass, so a fencer starts with what its process has seen. */
  sight(regions: DeviceReply["read-regions"]): void;
  receive(message: ToCore): void;
  tick(): void;
  /** Withdraws the requests for a node that a consistent list does not show open. */
  keepOnly(nodeName: string, openRequestUIDs: readonly string[]): void;
  /** What this process has seen of the device so far, on the same clock. */
  readonly sightings: Sightings;
};

/** Open questions beyond this were not answered and are forgotten. */
const QUESTIONS_MAX = 64;

export function createFencerHost(options: FencerHostOptions): FencerHost {
  const { name, nodeID, worker, send, contract, log } = options;
  const fencers = new Map<string, FencerState>();
  const questions = new Map<number, { readonly nodeName: string; readonly startedMs: number }>();
  const askedRequest = new Map<number, string>();
  let questionIDs = 0;
  let sightings: Sightings = NO_SIGHTINGS;

  function dispatch(nodeName: string, event: FencerEvent): void {
    const before = fencers.get(nodeName);
    if (before === undefined) {
      return;
    }
    const moment = {
      nowMs: hostClock.rawMs(),
      wallNs: hostClock.wallNs(),
      nonce: randomBytes(16).toString("hex"),
    };
    const { state, effects } = stepFencer(before, event, moment);
    fencers.set(nodeName, state);
    for (const effect of effects) {
      perform(nodeName, effect);
    }
  }

  function perform(nodeName: string, effect: FencerEffect): void {
    switch (effect.type) {
      case "write-fence":
        void writeFence(nodeName, effect);
        return;
      case "ask-request": {
        const id = ask(nodeName);
        askedRequest.set(id, effect.uid);
        send({ type: "ask-request", id, uid: effect.uid });
        return;
      }
      case "ask-node":
        send({ type: "ask-node", id: ask(nodeName), nodeName });
        return;
      case "declare":
        send({ type: "declare", uid: effect.uid, evidence: effect.evidence });
        return;
    }
  }

  async function writeFence(
    nodeName: string,
    { record }: FencerEffect & { readonly type: "write-fence" },
  ): Promise<void> {
    const { nonce } = record;
    log(
      "info",
      `writing fence message ${record.epoch} to slot ${record.targetNodeID} (${nodeName})`,
    );
    let event: FencerEvent;
    try {
      const { readBack, endedRawMs } = await worker.request({ op: "write-fence", record });
      event = { type: "fence-written", nonce, readBack, endedMs: endedRawMs };
    } catch (error) {
      event = { type: "fence-write-failed", nonce, error: String(error) };
      log("warn", `the fence message for ${nodeName} was not written: ${event.error}`);
    }
    dispatch(nodeName, event);
  }

  function ask(nodeName: string): number {
    questionIDs += 1;
    questions.set(questionIDs, { nodeName, startedMs: hostClock.rawMs() });
    const oldest = questions.keys().next();
    if (questions.size > QUESTIONS_MAX && oldest.done !== true) {
      questions.delete(oldest.value);
      askedRequest.delete(oldest.value);
    }
    return questionIDs;
  }

  function answered(id: number): { readonly nodeName: string; readonly startedMs: number } | null {
    const question = questions.get(id) ?? null;
    questions.delete(id);
    return question;
  }

  function accept(message: ToCore & { readonly type: "fence" }): void {
    const timing = contract();
    if (timing === null || message.nodeName === name) {
      log("warn", `named to fence ${message.nodeName}, and may not: no good pass yet`);
      return;
    }
    const known = fencers.get(message.nodeName);
    if (known === undefined || known.config.target.nodeID !== message.nodeID) {
      const config: FencerConfig = {
        name,
        nodeID,
        target: { nodeName: message.nodeName, nodeID: message.nodeID },
        contract: timing,
        cluster: { pausableNodes: message.pausableNodes },
      };
      fencers.set(message.nodeName, { ...initialFencerState(config), sightings });
    }
    const { uid, reason, pausableNodes } = message;
    const state = fencers.get(message.nodeName);
    if (state !== undefined && state.config.cluster?.pausableNodes !== pausableNodes) {
      const config = { ...state.config, cluster: { pausableNodes } };
      fencers.set(message.nodeName, { ...state, config });
    }
    dispatch(message.nodeName, { type: "request", uid, reason, finalizerMs: hostClock.rawMs() });
  }

  function withdraw(uid: string): void {
    for (const [nodeName, state] of fencers) {
      if (state.requests.some((request) => request.uid === uid)) {
        dispatch(nodeName, { type: "withdraw", uid });
      }
      if (fencers.get(nodeName)?.requests.length === 0) {
        fencers.delete(nodeName);
      }
    }
  }

  function report(): void {
    for (const [nodeName, state] of fencers) {
      for (const request of openRequests(state)) {
        send({
          type: "report",
          nodeName,
          report: reportRequest(state, request, hostClock.rawMs()),
        });
      }
    }
  }

  return {
    sight({ heartbeats, fences, heartbeatsTimes, fencesTimes }) {
      sightings = sightFences(
        sightHeartbeats(sightings, {
          startedMs: heartbeatsTimes.startedRawMs,
          endedMs: heartbeatsTimes.endedRawMs,
          slots: heartbeats,
        }),
        {
          startedMs: fencesTimes.startedRawMs,
          endedMs: fencesTimes.endedRawMs,
          slots: fences,
        },
      );
      for (const nodeName of fencers.keys()) {
        dispatch(nodeName, { type: "sightings", sightings });
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
        case "request-read": {
          const uid = askedRequest.get(message.id);
          const question = answered(message.id);
          askedRequest.delete(message.id);
          if (question !== null && uid !== undefined) {
            const times = { startedMs: question.startedMs, endedMs: hostClock.rawMs() };
            const reading = { ...message.reading, ...times };
            dispatch(question.nodeName, { type: "request-read", uid, reading });
          }
          return;
        }
        case "node-read": {
          const question = answered(message.id);
          if (question !== null) {
            const times = { startedMs: question.startedMs, endedMs: hostClock.rawMs() };
            const reading = { ...message.reading, ...times };
            dispatch(question.nodeName, { type: "node-read", reading });
          }
          return;
        }
        case "declared":
          for (const nodeName of fencers.keys()) {
            dispatch(nodeName, { type: "declared", uid: message.uid });
          }
          return;
        case "vouch-read":
        case "slot":
        case "slot-task":
        case "open-requests-read":
          return;
      }
    },
    keepOnly(nodeName, openRequestUIDs) {
      for (const { uid } of fencers.get(nodeName)?.requests ?? []) {
        if (!openRequestUIDs.includes(uid)) {
          withdraw(uid);
        }
      }
    },
    get sightings() {
      return sightings;
    },
    tick() {
      for (const nodeName of fencers.keys()) {
        dispatch(nodeName, { type: "tick" });
      }
    },
  };
}
