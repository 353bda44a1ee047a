import type { Sightings } from "../../observation/sightings.ts";
import { seconds } from "../../timing/contract.ts";
import type { FenceRecord } from "../../protocol/fence-record.ts";
import { reportRequest } from "../fencer-report.ts";
import { initialFencerState, type FencerConfig, type FencerState } from "../fencer-state.ts";
import type { FencerEffect } from "../fencer-step.ts";
import { stepFencer, type FencerEvent } from "../fencer.ts";
import { recordGrounds } from "../proof-record.ts";
import { openRequests } from "../requests.ts";
import {
  DEVICE_WITHIN_MS,
  type DeviceAnswer,
  type FenceDevice,
  type FenceWritten,
} from "./fence-device.ts";
import type { FencerClock } from "./fencer-clock.ts";
import type { FencerAnswer, FromFencer } from "./fencer-message.ts";

/** What drivers of fencers act through; a port does what a disk or a server does, and decides nothing. */
export type FencerPorts = {
  readonly clock: FencerClock;
  /** Fresh with every call: 32 random hex digits. */
  readonly nonce: () => string;
  readonly device: FenceDevice;
  readonly send: (message: FromFencer) => void;
  /** What the core has made of an event, before its effects are carried out. */
  readonly stepped: (step: FencerStepped) => void;
  readonly log: (level: "info" | "warn", message: string) => void;
};

export type FencerStepped = {
  readonly event: FencerEvent;
  readonly before: FencerState;
  readonly after: FencerState;
  readonly effects: readonly FencerEffect[];
};

/** One fencer core for one target, and its questions. */
export type FencerDriver = {
  readonly state: FencerState;
  tell(event: FencerEvent): void;
  /** Hears the answer to a question of its own, and no other. */
  hear(answer: FencerAnswer): void;
  /** Ends what was not answered in time, and lets time pass for the core. */
  tick(): void;
  /** What the SBDConfig says by now. */
  setPausableNodes(pausableNodes: "Accept" | "Refuse"): void;
  report(): void;
  /** What is still to be answered is heard no more. */
  end(): void;
};

type Question = { readonly uid: string | null; readonly startedMs: number };

/**
 * Feeds events to the core and carries its effects out. Instants of an answer are taken here: the
 * question's before it left, the answer's when it came. A question whose answer would be older than T
 * when it came is not waited for: it could grant nothing any more, and the core has asked again since.
 *
 * @param sightings what its process has seen of the device so far
 * @param questionID a fresh one with every call, within its process
 */
export function createFencerDriver(
  config: FencerConfig,
  sightings: Sightings,
  ports: FencerPorts,
  questionID: () => number,
): FencerDriver {
  const { clock, nonce, device, send, log } = ports;
  const { nodeName } = config.target;
  const questions = new Map<number, Question>();
  let state: FencerState = { ...initialFencerState(config), sightings };
  let ended = false;
  let writing: { readonly nonce: string; readonly startedMs: number } | null = null;

  function tell(event: FencerEvent): void {
    const before = state;
    const moment = { nowMs: clock.rawMs(), wallNs: clock.wallNs(), nonce: nonce() };
    const { state: after, effects } = stepFencer(before, event, moment);
    state = after;
    ports.stepped({ event, before, after, effects });
    for (const effect of effects) {
      perform(effect);
    }
  }

  function perform(effect: FencerEffect): void {
    switch (effect.type) {
      case "write-fence":
        write(effect.record);
        return;
      case "ask-request":
        send({ type: "ask-request", id: ask(effect.uid), uid: effect.uid });
        return;
      case "ask-node":
        send({ type: "ask-node", id: ask(null), nodeName });
        return;
      case "declare":
        declare(effect);
        return;
    }
  }

  function declare({ uid, evidence, grounds }: FencerEffect & { readonly type: "declare" }): void {
    const wallMs = Number(clock.wallNs() / 1_000_000n);
    const record = recordGrounds(grounds, config.name, { rawMs: clock.rawMs(), wallMs });
    send({ type: "declare", uid, evidence, record });
  }

  function ask(uid: string | null): number {
    const id = questionID();
    questions.set(id, { uid, startedMs: clock.rawMs() });
    return id;
  }

  function write(record: FenceRecord): void {
    const { epoch, targetNodeID, nonce } = record;
    log("info", `writing fence message ${epoch} to slot ${targetNodeID} (${nodeName})`);
    writing = { nonce, startedMs: clock.rawMs() };
    device.writeFence(record, (answer) => written(nonce, answer));
  }

  function written(nonce: string, answer: DeviceAnswer<FenceWritten>): void {
    if (ended) {
      return;
    }
    if (writing?.nonce === nonce) {
      writing = null;
    }
    if (answer.ok) {
      tell({ type: "fence-written", nonce, ...answer.reply });
    } else {
      log("warn", `the fence message for ${nodeName} was not written: ${answer.error}`);
      tell({ type: "fence-write-failed", nonce, error: answer.error });
    }
  }

  function endQuestions(): void {
    const nowMs = clock.rawMs();
    for (const [id, { startedMs }] of questions) {
      if (nowMs - startedMs > config.contract.timeoutMs) {
        questions.delete(id);
      }
    }
    if (writing !== null && nowMs - writing.startedMs >= DEVICE_WITHIN_MS) {
      const error = `the device has not answered within ${seconds(DEVICE_WITHIN_MS)}`;
      written(writing.nonce, { ok: false, error });
    }
  }

  return {
    get state() {
      return state;
    },
    tell,
    hear(answer) {
      const question = questions.get(answer.id);
      if (question === undefined) {
        return;
      }
      questions.delete(answer.id);
      const { uid, startedMs } = question;
      const times = { startedMs, endedMs: clock.rawMs() };
      if (answer.type === "node-read" && uid === null) {
        tell({ type: "node-read", reading: { ...answer.reading, ...times } });
      }
      if (answer.type === "request-read" && uid !== null) {
        tell({ type: "request-read", uid, reading: { ...answer.reading, ...times } });
      }
    },
    tick() {
      endQuestions();
      tell({ type: "tick" });
    },
    setPausableNodes(pausableNodes) {
      if (state.config.cluster?.pausableNodes !== pausableNodes) {
        state = { ...state, config: { ...state.config, cluster: { pausableNodes } } };
      }
    },
    report() {
      for (const request of openRequests(state)) {
        send({ type: "report", nodeName, report: reportRequest(state, request, clock.rawMs()) });
      }
    },
    end() {
      ended = true;
    },
  };
}
