import { NO_SIGHTINGS, type ReadTimes } from "../../observation/sightings.ts";
import type { FenceRecord, FenceSlot } from "../../protocol/fence-record.ts";
import type { FencerEffect } from "../fencer-step.ts";
import { stepFencer, type FencerEvent } from "../fencer.ts";
import { initialFencerState, type FencerConfig, type FencerState } from "../fencer-state.ts";
import { traceStep } from "./fencer-trace.ts";
import { isConfirmed, readNode, readRequest, type ScenarioCluster } from "./scenario-cluster.ts";
import { GARBAGE, readRegion, storeFence, type ScenarioDevice } from "./scenario-device.ts";
import type { Timeline } from "./timeline.ts";

/** What the device makes of a fencer's write. */
export type WriteFate = "ok" | "fail" | "lost" | "mismatch" | "late";
/** Which of the two regions a fencer can read. */
export type ReadFate = "ok" | "fail" | "heartbeats" | "fences";

/** One fencer with a clock of its own, and the faults of its host. */
export type FencerPlayer = {
  readonly config: FencerConfig;
  state: FencerState;
  writes: WriteFate;
  reads: ReadFate;
  /** Null: the API does not answer it. */
  apiMs: number | null;
  /** From the start of a region read to its end. */
  readMs: number;
  /** Writes that were given up and may land yet, the oldest first. */
  readonly inFlight: FenceRecord[];
  /** What the trace has said of each request, by its UID. */
  readonly told: Map<string, string>;
  /** What each request lacked at the last tick, by its UID. */
  readonly lacking: Map<string, string>;
  readonly clock: FencerClock;
  tell(event: FencerEvent): void;
  /** It neither reads nor ticks nor hears until then. */
  stall(forMs: number): void;
  stop(): void;
};

/** A clock that starts somewhere and runs at its own rate. */
export type FencerClock = { readonly offsetMs: number; readonly rate: number };

export type FencerPlayerOptions = {
  readonly config: FencerConfig;
  readonly clock: FencerClock;
  /** Starts with what this one has seen; both run by its clock. */
  readonly from: FencerPlayer | null;
  /** When within each second it passes. */
  readonly phaseMs: number;
};

export type Happening =
  | {
      readonly kind: "written";
      readonly atMs: number;
      readonly by: string;
      readonly record: FenceRecord;
    }
  | {
      readonly kind: "proven" | "declared";
      readonly atMs: number;
      readonly by: string;
      readonly uid: string;
      readonly evidence: string;
    };

export type Stage = {
  readonly timeline: Timeline;
  readonly device: ScenarioDevice;
  readonly cluster: ScenarioCluster;
  readonly trace: (line: string) => void;
  readonly happened: (happening: Happening) => void;
};

const PASS_EVERY_MS = 1_000;
const WRITE_MS = 40;
const QUICK_API_MS = 10;

export function createFencerPlayer(
  stage: Stage,
  { config, clock: ownClock, from, phaseMs }: FencerPlayerOptions,
): FencerPlayer {
  const { timeline, device, cluster } = stage;
  let stalledUntilMs = -Infinity;
  let stopped = false;
  let nonces = 0;

  const clock = from?.clock ?? ownClock;
  const clockMs = (trueMs: number): number => clock.offsetMs + trueMs * clock.rate;
  const player: FencerPlayer = {
    config,
    state: { ...initialFencerState(config), sightings: from?.state.sightings ?? NO_SIGHTINGS },
    writes: "ok",
    reads: "ok",
    apiMs: QUICK_API_MS,
    readMs: 10,
    inFlight: [],
    told: new Map(),
    lacking: new Map(),
    clock,
    tell,
    stall(forMs) {
      stalledUntilMs = timeline.nowMs() + forMs;
    },
    stop() {
      stopped = true;
    },
  };

  /** Now, or when a stalled fencer comes round again. */
  function awake(happen: () => void): void {
    if (timeline.nowMs() < stalledUntilMs) {
      timeline.at(stalledUntilMs, happen);
    } else if (!stopped) {
      happen();
    }
  }

  function tell(event: FencerEvent): void {
    const before = player.state;
    nonces += 1;
    const { state, effects } = stepFencer(before, event, {
      nowMs: clockMs(timeline.nowMs()),
      wallNs: 0n,
      nonce: `${config.name}${nonces}`,
    });
    player.state = state;
    traceStep(stage, player, { event, before, effects });
    haveTainted();
    for (const effect of effects) {
      perform(effect);
    }
  }

  /** The leader raises the taint once the fencer's message stands, or for an administrator's word. */
  function haveTainted(): void {
    const wanted = player.state.message.kind === "standing" || isConfirmed(cluster);
    if (wanted && cluster.raises && player.apiMs !== null) {
      timeline.at(timeline.nowMs() + player.apiMs, () => {
        cluster.noExecute = true;
      });
    }
  }

  function perform(effect: FencerEffect): void {
    switch (effect.type) {
      case "write-fence":
        write(effect.record);
        return;
      case "ask-request": {
        const { uid } = effect;
        ask(readRequest(cluster, uid, config.name), (reading) =>
          tell({ type: "request-read", uid, reading }),
        );
        return;
      }
      case "ask-node":
        ask(readNode(cluster), (reading) => tell({ type: "node-read", reading }));
        return;
      case "declare":
        if (cluster.records && player.apiMs !== null) {
          timeline.at(timeline.nowMs() + player.apiMs, () =>
            awake(() => tell({ type: "declared", uid: effect.uid })),
          );
        }
        return;
    }
  }

  /** The API reads at once and answers after `apiMs`. */
  function ask<Answer>(answer: Answer, hear: (reading: Answer & ReadTimes) => void): void {
    if (player.apiMs === null) {
      return;
    }
    const startedMs = clockMs(timeline.nowMs());
    timeline.at(timeline.nowMs() + player.apiMs, () =>
      awake(() => hear({ ...answer, startedMs, endedMs: clockMs(timeline.nowMs()) })),
    );
  }

  function write(record: FenceRecord): void {
    const { writes } = player;
    if (writes === "ok") {
      timeline.at(timeline.nowMs() + WRITE_MS / 2, () => storeFence(device, record));
    } else if (writes === "mismatch") {
      timeline.at(timeline.nowMs() + WRITE_MS / 2, () =>
        device.fences.set(record.targetNodeID, GARBAGE),
      );
    } else if (writes === "late") {
      player.inFlight.push(record);
    }
    timeline.at(timeline.nowMs() + WRITE_MS, () => {
      const endedMs = clockMs(timeline.nowMs());
      const readBack: FenceSlot = device.fences.get(record.targetNodeID) ?? { kind: "empty" };
      const { nonce } = record;
      awake(() =>
        tell(
          writes === "fail" || writes === "late"
            ? {
                type: "fence-write-failed",
                nonce,
                error: writes === "fail" ? "EIO" : "no answer in time",
              }
            : { type: "fence-written", nonce, readBack, endedMs },
        ),
      );
    });
  }

  function pass(): void {
    if (stopped) {
      return;
    }
    timeline.at(timeline.nowMs() + PASS_EVERY_MS, pass);
    if (timeline.nowMs() >= stalledUntilMs) {
      read("heartbeats", (event) => {
        tellAll(event);
        read("fences", (fences) => {
          tellAll(fences);
          tell({ type: "tick" });
        });
      });
    }
  }

  function tellAll(event: FencerEvent | null): void {
    if (event !== null) {
      tell(event);
    }
  }

  /** The device is read in the middle of the time that the read takes. */
  function read(region: "heartbeats" | "fences", done: (event: FencerEvent | null) => void): void {
    const startedMs = clockMs(timeline.nowMs());
    const fails = player.reads !== "ok" && player.reads !== region;
    timeline.at(timeline.nowMs() + player.readMs / 2, () => {
      const heartbeats = readRegion(device, device.heartbeats);
      const fences = readRegion(device, device.fences);
      timeline.at(timeline.nowMs() + player.readMs / 2, () => {
        const endedMs = clockMs(timeline.nowMs());
        const event: FencerEvent =
          region === "heartbeats"
            ? { type: "heartbeats-read", reading: { startedMs, endedMs, slots: heartbeats } }
            : { type: "fences-read", reading: { startedMs, endedMs, slots: fences } };
        awake(() => done(fails ? null : event));
      });
    });
  }

  timeline.at(timeline.nowMs() + phaseMs, pass);
  return player;
}
