import { NO_SIGHTINGS } from "../../observation/sightings.ts";
import type { FenceRecord, FenceSlot } from "../../protocol/fence-record.ts";
import type { DeviceAnswer, FenceWritten } from "../driver/fence-device.ts";
import { createFencerDriver } from "../driver/fencer-driver.ts";
import type { FromFencer } from "../driver/fencer-message.ts";
import type { FencerConfig, FencerState } from "../fencer-state.ts";
import type { FencerEvent } from "../fencer.ts";
import { traceStep } from "./fencer-trace.ts";
import { isConfirmed, readNode, readRequest, type ScenarioCluster } from "./scenario-cluster.ts";
import { GARBAGE, readRegion, storeFence, type ScenarioDevice } from "./scenario-device.ts";
import type { Timeline } from "./timeline.ts";

/** What the device makes of a fencer's write. */
export type WriteFate = "ok" | "fail" | "lost" | "mismatch" | "late";
/** Which of the two regions a fencer can read. */
export type ReadFate = "ok" | "fail" | "heartbeats" | "fences";

/** One fencer, run by the driver that ships, with a clock of its own and the faults of its host. */
export type FencerPlayer = {
  readonly config: FencerConfig;
  readonly state: FencerState;
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
  let questions = 0;

  const clock = from?.clock ?? ownClock;
  const clockMs = (trueMs: number): number => clock.offsetMs + trueMs * clock.rate;
  const driver = createFencerDriver(
    config,
    from?.state.sightings ?? NO_SIGHTINGS,
    {
      clock: { rawMs: () => clockMs(timeline.nowMs()), wallNs: () => 0n },
      nonce: () => `${config.name}${(nonces += 1)}`,
      device: {
        readFence: unasked,
        replaceFence: unasked,
        writeFence: write,
      },
      send,
      stepped(step) {
        traceStep(stage, player, step);
        haveTainted();
      },
      log: () => undefined,
    },
    () => (questions += 1),
  );
  const player: FencerPlayer = {
    config,
    get state() {
      return driver.state;
    },
    writes: "ok",
    reads: "ok",
    apiMs: QUICK_API_MS,
    readMs: 10,
    inFlight: [],
    told: new Map(),
    lacking: new Map(),
    clock,
    tell: (event) => driver.tell(event),
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

  /** The leader raises the taint once the fencer's message stands, or for an administrator's word. */
  function haveTainted(): void {
    const wanted = player.state.message.kind === "standing" || isConfirmed(cluster);
    if (wanted && cluster.raises && player.apiMs !== null) {
      timeline.at(timeline.nowMs() + player.apiMs, () => {
        cluster.noExecute = true;
      });
    }
  }

  /** The API reads at once and answers after `apiMs`. */
  function send(message: FromFencer): void {
    switch (message.type) {
      case "ask-request": {
        const { id, uid } = message;
        const reading = readRequest(cluster, uid, config.name);
        answer(() => driver.hear({ type: "request-read", id, reading }));
        return;
      }
      case "ask-node": {
        const { id } = message;
        const reading = readNode(cluster);
        answer(() => driver.hear({ type: "node-read", id, reading }));
        return;
      }
      case "declare": {
        const { uid } = message;
        if (cluster.records) {
          answer(() => driver.tell({ type: "declared", uid }));
        }
        return;
      }
      case "report":
        return;
    }
  }

  function answer(hear: () => void): void {
    if (player.apiMs !== null) {
      timeline.at(timeline.nowMs() + player.apiMs, () => awake(hear));
    }
  }

  function write(record: FenceRecord, answer: (written: DeviceAnswer<FenceWritten>) => void): void {
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
      awake(() =>
        answer(
          writes === "fail" || writes === "late"
            ? { ok: false, error: writes === "fail" ? "EIO" : "no answer in time" }
            : { ok: true, reply: { readBack, endedMs } },
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
          driver.tick();
        });
      });
    }
  }

  function tellAll(event: FencerEvent | null): void {
    if (event !== null) {
      driver.tell(event);
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

function unasked(): never {
  throw new Error("A fencer asks its device to write, and nothing else");
}
