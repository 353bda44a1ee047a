import type { HeartbeatRecord } from "../../protocol/heartbeat-record.ts";
import type { CommandLine } from "./command-line.ts";
import type { ScenarioDevice } from "./scenario-device.ts";
import type { Timeline } from "./timeline.ts";

const BEAT_EVERY_MS = 1_000;

/** A node whose agent beats until it is told to stop, or until it obeys. */
export type LivingNode = {
  readonly nodeID: number;
  silence(): void;
};

export type LivingNodeOptions = {
  readonly record: HeartbeatRecord;
  /** Reads its fence slot before each beat: acknowledges a message to its boot and is gone. */
  readonly obeys: boolean;
  /** From the sample of its uptime until the heartbeat lands. */
  readonly writeMs: number;
};

/** Its first heartbeat lands at once, or `writeMs` after. */
export function startLivingNode(
  { timeline, device }: { readonly timeline: Timeline; readonly device: ScenarioDevice },
  { record: first, obeys, writeMs }: LivingNodeOptions,
  tell: (line: string) => void,
): LivingNode {
  const bootedMs = timeline.nowMs() - first.uptimeMs;
  let sequence = first.sequence - 1;
  let seenEpoch = first.seenEpoch;
  let alive = true;

  function beat(): void {
    if (!alive) {
      return;
    }
    const message = device.fences.get(first.nodeID);
    const standing = message?.kind === "fence" ? message.record : null;
    seenEpoch = Math.max(seenEpoch, standing?.epoch ?? 0);
    const obeyed =
      obeys && standing !== null && standing.targetBootID === first.bootID ? standing.epoch : null;
    sequence += 1;
    const sampledMs = timeline.nowMs();
    const record: HeartbeatRecord = {
      ...first,
      sequence,
      seenEpoch,
      uptimeMs: sampledMs - bootedMs,
      ...(obeyed === null ? {} : { fenced: true, acknowledgedEpoch: obeyed }),
    };
    timeline.at(sampledMs + writeMs, () => {
      if (!alive) {
        return;
      }
      device.heartbeats.set(first.nodeID, { kind: "heartbeat", record });
      if (obeyed === null) {
        timeline.at(Math.max(sampledMs + BEAT_EVERY_MS, timeline.nowMs()), beat);
      } else {
        alive = false;
        tell(`node ${first.nodeID}, boot ${first.bootID}: acknowledges epoch ${obeyed} and dies`);
      }
    });
  }

  beat();
  return {
    nodeID: first.nodeID,
    silence() {
      alive = false;
    },
  };
}

/** A heartbeat as `beat` and `alive` spell it; what is not said is what a healthy agent writes. */
export function heartbeatOf(line: CommandLine, nodeID: number): HeartbeatRecord {
  const fencedEpoch = line.numberOf("fenced");
  return {
    nodeID,
    timestampNs: BigInt(line.numberOf("wall") ?? 0) * 1_000_000_000n,
    bootID: line.value("boot") ?? "A",
    machineID: line.value("machine") ?? `m${nodeID}`,
    virtual: line.flag("virtual"),
    nodeName: line.value("node") ?? `worker-${nodeID}`,
    startID: line.value("start") ?? "s1",
    sequence: line.numberOf("seq") ?? 1,
    uptimeMs: line.secondsOf("up") ?? 1_000_000,
    timeoutMs: line.secondsOf("T") ?? 30_000,
    watchdogMs: line.secondsOf("W") ?? 15_000,
    armed: !line.flag("unarmed"),
    detectOnly: line.flag("detect-only"),
    leaving: line.flag("leaving"),
    fenced: fencedEpoch !== null,
    acknowledgedEpoch: fencedEpoch ?? 0,
    seenEpoch: line.numberOf("seen") ?? 0,
    moving: line.numbersOf("moving") ?? [],
    passLatencyMs: 10,
  };
}
