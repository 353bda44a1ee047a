import type { HeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import type { TimingContract } from "../../timing/contract.ts";
import type { ScenarioCluster } from "./scenario-cluster.ts";
import type { ScenarioDevice } from "./scenario-device.ts";
import type { Timeline } from "./timeline.ts";
import { armedHeartbeat } from "../../protocol/testing/heartbeat-record.ts";

const PASS_EVERY_MS = 600;
/** A bound on one disk's requests, and so on how late a write may land. */
const LATE_MS_MAX = 60_000;

/** What befalls a node, drawn from chance. */
export type NodeChance = {
  /** 0 ≤ x < 1, the next one each time. */
  next(): number;
};

/** A node that lives and dies as the contract lets it; the truth that proofs are held against. */
export type MortalNode = {
  /** Boots that run at this moment, though their agents may be silent. */
  running(): readonly { readonly bootID: string; readonly bornMs: number }[];
  loseStorage(forMs: number): void;
  /** Power is cut and comes back. */
  powerCycle(): void;
  /** The agent is killed and its container restarted. */
  restartAgent(): void;
  /** SIGTERM: leaves in order if it can, and the node runs on unprotected. */
  terminateAgent(): void;
};

type Boot = {
  readonly bootID: string;
  readonly bornMs: number;
  readonly armed: boolean;
  /** How long it lives beyond its deadline, at most 2W. */
  readonly overtimeMs: number;
  starts: number;
  sequence: number;
  lastGoodMs: number | null;
  dead: boolean;
  latched: boolean;
  left: boolean;
  /** A heartbeat is under way. */
  writing: boolean;
  /** A heartbeat whose fate is unknown may land over a later `leaving`. */
  unconfirmed: boolean;
};

export function createMortalNode(
  stage: {
    readonly timeline: Timeline;
    readonly device: ScenarioDevice;
    readonly cluster: ScenarioCluster;
  },
  { timeoutMs, watchdogMs }: TimingContract,
  chance: NodeChance,
): MortalNode {
  const { timeline, device, cluster } = stage;
  let storageLostUntilMs = -Infinity;
  let boots = 0;
  let present: Boot = boot(false);

  function between(fromMs: number, toMs: number): number {
    return fromMs + Math.floor(chance.next() * (toMs - fromMs));
  }

  function boot(powered: boolean): Boot {
    boots += 1;
    const fresh: Boot = {
      bootID: `boot${boots}`,
      bornMs: timeline.nowMs(),
      armed: chance.next() < 0.9,
      overtimeMs: between(0, 2 * watchdogMs),
      starts: 0,
      sequence: 0,
      lastGoodMs: null,
      dead: false,
      latched: false,
      left: false,
      writing: false,
      unconfirmed: false,
    };
    cluster.bootID = fresh.bootID;
    cluster.leaving = [];
    const agentMs = powered ? between(500, 25_000) : 100;
    timeline.at(timeline.nowMs() + agentMs, () => startAgent(fresh));
    return fresh;
  }

  function die(boot: Boot): void {
    if (boot.dead) {
      return;
    }
    boot.dead = true;
    timeline.at(timeline.nowMs() + between(500, 30_000), () => {
      present = bootAgain();
    });
  }

  function bootAgain(): Boot {
    return boot(true);
  }

  function startAgent(boot: Boot): void {
    boot.starts += 1;
    boot.sequence = 0;
    pass(boot, boot.starts);
  }

  /** The petter stopped at the deadline, and the watchdog takes what it may. */
  function overdue(boot: Boot): boolean {
    return (
      boot.armed && boot.lastGoodMs !== null && timeline.nowMs() >= boot.lastGoodMs + timeoutMs
    );
  }

  function pass(boot: Boot, start: number): void {
    if (boot.dead || boot.latched || boot.left || boot.starts !== start || overdue(boot)) {
      return;
    }
    const startedMs = timeline.nowMs();
    const lost = startedMs < storageLostUntilMs;
    const found = device.fences.get(2);
    if (!lost && found?.kind === "fence" && found.record.targetBootID === boot.bootID) {
      obey(boot, found.record.epoch);
      return;
    }
    const seenEpoch = !lost && found?.kind === "fence" ? found.record.epoch : 0;
    boot.sequence += 1;
    const record = beat(boot, { seenEpoch });
    const fate = chance.next();
    if (lost || fate < 0.03) {
      boot.unconfirmed = true;
      boot.starts += 1;
      boot.sequence = 0;
      const next = boot.starts;
      if (fate < 0.5) {
        timeline.at(startedMs + between(100, LATE_MS_MAX), () => land(record));
      }
      timeline.at(startedMs + PASS_EVERY_MS, () => pass(boot, next));
      return;
    }
    const writeMs = fate < 0.1 ? between(100, timeoutMs) : between(5, 50);
    boot.writing = true;
    timeline.at(startedMs + writeMs, () => {
      boot.writing = boot.starts !== start;
      // A process that was replaced meanwhile leaves a write that lands all the same.
      land(record);
      if (boot.starts === start && !boot.dead && !overdue(boot)) {
        boot.lastGoodMs = startedMs;
        watch(boot);
        timeline.at(Math.max(startedMs + PASS_EVERY_MS, timeline.nowMs()), () => pass(boot, start));
      }
    });
  }

  function watch(boot: Boot): void {
    const goodMs = boot.lastGoodMs ?? 0;
    if (boot.armed) {
      timeline.at(goodMs + timeoutMs + boot.overtimeMs, () => {
        if (boot.lastGoodMs === goodMs && !boot.left) {
          die(boot);
        }
      });
    }
  }

  function obey(boot: Boot, epoch: number): void {
    boot.latched = true;
    const armed = boot.armed && boot.lastGoodMs !== null;
    const inForceMs = armed && chance.next() < 0.5 ? between(1_000, watchdogMs / 2) : watchdogMs;
    if (chance.next() < 0.7) {
      boot.sequence += 1;
      land(
        beat(boot, {
          seenEpoch: epoch,
          fenced: true,
          acknowledgedEpoch: epoch,
          watchdogMs: inForceMs,
        }),
      );
    }
    const hangs = !armed && chance.next() < 0.3;
    if (!hangs) {
      timeline.at(timeline.nowMs() + between(1, 2 * inForceMs), () => die(boot));
    }
  }

  function beat(boot: Boot, fields: Partial<HeartbeatRecord>): HeartbeatRecord {
    return armedHeartbeat({
      nodeID: 2,
      sequence: boot.sequence,
      bootID: boot.bootID,
      machineID: "m2",
      startID: `${boot.bootID}.${boot.starts}`,
      nodeName: "worker-2",
      uptimeMs: timeline.nowMs() - boot.bornMs,
      timeoutMs,
      watchdogMs,
      armed: boot.armed && boot.lastGoodMs !== null,
      moving: [1],
      ...fields,
    });
  }

  function land(record: HeartbeatRecord): void {
    device.heartbeats.set(2, { kind: "heartbeat", record });
  }

  return {
    running: () => (present.dead ? [] : [present]),
    loseStorage(forMs) {
      storageLostUntilMs = timeline.nowMs() + forMs;
    },
    powerCycle() {
      die(present);
    },
    restartAgent() {
      if (!present.dead && !present.latched && !present.left && !overdue(present)) {
        present.unconfirmed = true;
        startAgent(present);
      }
    },
    terminateAgent() {
      const boot = present;
      const message = device.fences.get(2);
      const free = message?.kind !== "fence" || message.record.targetBootID !== boot.bootID;
      const reachable = timeline.nowMs() >= storageLostUntilMs;
      const able = !boot.dead && !boot.latched && !boot.left && !overdue(boot);
      if (free && reachable && able && (!boot.writing || boot.unconfirmed)) {
        cluster.leaving = boot.unconfirmed ? [2] : [];
        boot.sequence += 1;
        land(beat(boot, { leaving: true }));
        boot.left = true;
        boot.starts += 1;
      }
    },
  };
}
