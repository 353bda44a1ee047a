import type { Evidence } from "../evidence.ts";
import type { ProofGrounds } from "../proof-record.ts";
import type { FenceRecord } from "../../protocol/fence-record.ts";
import { newHeartbeat } from "../../protocol/message.ts";
import { deriveTiming } from "../../timing/contract.ts";
import { decideClearing } from "../clearing.ts";
import { reportRequest } from "../fencer-report.ts";
import { sameFenceSlot } from "../../observation/sightings.ts";
import { expectRequest, expectSlot, neverRule } from "./assertion.ts";
import type { CommandLine } from "./command-line.ts";
import {
  createFencerPlayer,
  type FencerPlayer,
  type Happening,
  type ReadFate,
  type Stage,
  type WriteFate,
} from "./fencer-player.ts";
import { heartbeatOf, startLivingNode, type LivingNode } from "./living-node.ts";
import { createScenarioCluster } from "./scenario-cluster.ts";
import { createScenarioDevice, GARBAGE, storeFence } from "./scenario-device.ts";
import { createTimeline } from "./timeline.ts";
import { showSeconds } from "./true-time.ts";

/** Everything a scenario's commands act on. */
export type ScenarioPlay = {
  /** Carries one command out. @throws Error where it is unknown or an assertion fails. */
  run(line: CommandLine): void;
  /** The trace since it was last taken. */
  takeTrace(): readonly string[];
  /** @throws Error where something happened that never may */
  finish(): void;
  /** What was found to prove a death, with the fencer that found it. */
  proofs(): readonly ScenarioProof[];
};

export type ScenarioProof = {
  readonly fencer: string;
  readonly uid: string;
  readonly evidence: Evidence;
  readonly grounds: ProofGrounds;
};

const DEFAULT_OFFSET_MS = 1_000_000;
const WRITE_FATES: readonly WriteFate[] = ["ok", "fail", "lost", "mismatch", "late"];
const READ_FATES: readonly ReadFate[] = ["ok", "fail", "heartbeats", "fences"];

export function createScenarioPlay(): ScenarioPlay {
  const timeline = createTimeline();
  const device = createScenarioDevice();
  const cluster = createScenarioCluster();
  const fencers = new Map<string, FencerPlayer>();
  const living = new Map<number, LivingNode>();
  const happenings: Happening[] = [];
  const nevers: ((happening: Happening) => void)[] = [];
  let trace: string[] = [];
  let landed = 0;

  const say = (text: string): void => {
    trace.push(`${showSeconds(timeline.nowMs())} ${text}`);
  };
  const stage: Stage = {
    timeline,
    device,
    cluster,
    trace: say,
    happened: (happening) => happenings.push(happening),
  };

  function fencerNamed(line: CommandLine): FencerPlayer {
    const name = line.word("a fencer");
    const player = fencers.get(name);
    if (player === undefined) {
      throw new Error(`There is no fencer ${name}`);
    }
    return player;
  }

  function newFencer(line: CommandLine): void {
    const name = line.word("a name");
    const targetID = line.numberOf("target") ?? 2;
    const from = line.value("from");
    const player = createFencerPlayer(stage, {
      config: {
        name,
        nodeID: line.numberOf("slot") ?? 1,
        target: { nodeName: `worker-${targetID}`, nodeID: targetID },
        contract: {
          timeoutMs: line.secondsOf("T") ?? 30_000,
          watchdogMs: line.secondsOf("W") ?? 15_000,
        },
        cluster: line.flag("no-cluster") ? null : { pausableNodes: pausable(line) },
      },
      clock: {
        offsetMs: line.secondsOf("offset") ?? DEFAULT_OFFSET_MS,
        rate: line.numberOf("rate") ?? 1,
      },
      from: from === null ? null : (fencers.get(from) ?? null),
      phaseMs: 100 * (fencers.size + 1),
    });
    fencers.set(name, player);
  }

  function accept(line: CommandLine): void {
    const player = fencerNamed(line);
    const uid = line.word("a request");
    cluster.requests.add(uid);
    const about = line.value("about");
    if (about !== null) {
      cluster.abouts.set(uid, about);
    }
    const nowMs = player.clock.offsetMs + timeline.nowMs() * player.clock.rate;
    player.tell({
      type: "request",
      uid,
      reason: line.numberOf("reason") ?? 1,
      finalizerMs: nowMs - (line.secondsOf("finalizer-age") ?? 0),
    });
  }

  function startNode(line: CommandLine): void {
    const nodeID = Number(line.word("a slot"));
    living.get(nodeID)?.silence();
    const options = {
      obeys: line.flag("obeys"),
      writeMs: line.secondsOf("write") ?? 0,
      record: heartbeatOf(line, nodeID),
    };
    living.set(nodeID, startLivingNode(stage, options, say));
  }

  function land(line: CommandLine): void {
    const what = line.word("what lands");
    switch (what) {
      case "heartbeat": {
        const record = heartbeatOf(line, Number(line.word("a slot")));
        device.heartbeats.set(record.nodeID, { kind: "heartbeat", record });
        return;
      }
      case "fence":
      case "clear":
        storeFence(device, foreignRecord(line, what));
        return;
      case "write": {
        const player = fencerNamed(line);
        const record = player.inFlight.shift();
        if (record === undefined) {
          throw new Error(`Nothing of ${player.config.name} is in flight`);
        }
        storeFence(device, record);
        say(`epoch ${record.epoch} of ${record.fencerName} lands late`);
        return;
      }
      default:
        throw new Error(`'land' knows no '${what}'`);
    }
  }

  function foreignRecord(line: CommandLine, what: "fence" | "clear"): FenceRecord {
    const targetNodeID = Number(line.word("a slot"));
    landed += 1;
    return {
      senderID: 9,
      timestampNs: 0n,
      sequence: landed,
      targetNodeID,
      reason: what === "clear" ? 0 : 1,
      epoch: line.numberOf("epoch") ?? 1,
      nonce: `landed${landed}`,
      requestUID: line.value("for") ?? "R0",
      targetBootID: line.value("to") ?? "A",
      targetMachineID: line.value("machine") ?? `m${targetNodeID}`,
      fencerName: line.value("by") ?? "stranger",
      msgwaitMs: 63_000,
    };
  }

  function spoil(line: CommandLine, slot: typeof GARBAGE | { readonly kind: "empty" }): void {
    const region = line.word("a region");
    const nodeID = Number(line.word("a slot"));
    if (region === "heartbeat") {
      device.heartbeats.set(nodeID, slot);
    } else if (region === "fence") {
      device.fences.set(nodeID, slot);
    } else {
      throw new Error(`There is no region '${region}'`);
    }
  }

  function bareHeartbeat(line: CommandLine): void {
    const nodeID = Number(line.word("a slot"));
    device.heartbeats.set(nodeID, {
      kind: "bare-heartbeat",
      message: { header: newHeartbeat(nodeID, line.numberOf("seq") ?? 1, () => 0n) },
    });
  }

  /** Lists, decides, compares and clears, as the writer that the leader names does. */
  function clear(line: CommandLine): void {
    const nodeID = Number(line.word("a slot"));
    const slot = device.fences.get(nodeID) ?? { kind: "empty" as const };
    const ageMs = line.secondsOf("list-age");
    const lost = line.flag("lost");
    const blind = line.flag("blind");
    const overtakenBy = line.numberOf("overtaken-by");
    landed += 1;
    const decision = decideClearing(
      slot,
      line.flag("no-list")
        ? null
        : {
            startedMs: timeline.nowMs() - (ageMs ?? 0),
            openRequestUIDs: blind ? [] : [...cluster.requests],
          },
      {
        name: "clearer",
        nodeID: 7,
        targetNodeID: nodeID,
        epochFloor: line.numberOf("floor") ?? 0,
        nonce: `clear${landed}`,
        wallNs: 0n,
        timing: deriveTiming({ timeoutMs: 30_000, watchdogMs: 15_000 }),
      },
      timeline.nowMs(),
    );
    if (decision.kind === "wait") {
      say(`the clearer waits: ${decision.detail}`);
      return;
    }
    if (decision.kind === "nothing-to-clear") {
      say("the clearer has nothing to clear");
      return;
    }
    if (overtakenBy !== null) {
      storeFence(device, {
        ...decision.record,
        reason: 1,
        epoch: overtakenBy,
        nonce: `overtaker${landed}`,
      });
    }
    const found = device.fences.get(nodeID) ?? { kind: "empty" as const };
    if (decision.expected.kind !== "unreadable" && !sameFenceSlot(found, decision.expected)) {
      say("the clearer finds another message than it looked at, and leaves it");
      return;
    }
    say(
      `the clearer clears epoch ${decision.record.epoch}${lost ? ", and the write is lost" : ""}`,
    );
    if (!lost) {
      storeFence(device, decision.record);
    }
  }

  function setNode(line: CommandLine): void {
    cluster.bootID = line.value("boot") ?? cluster.bootID;
    const machineID = line.value("machine");
    cluster.machineIDs = machineID === null ? cluster.machineIDs : [machineID];
    const uid = line.value("uid");
    cluster.nodeUID = uid === null ? cluster.nodeUID : uid === "none" ? null : uid;
    cluster.sbdNodes = line.numbersOf("sbdnodes") ?? cluster.sbdNodes;
    cluster.free = line.numbersOf("free") ?? cluster.free;
    cluster.leaving = line.numbersOf("leaving") ?? cluster.leaving;
    cluster.unarmedBootID = line.value("unarmed") ?? cluster.unarmedBootID;
    cluster.noExecute = onOff(line.value("taint"), cluster.noExecute);
    cluster.raises = onOff(line.value("raises"), cluster.raises);
  }

  function setApi(line: CommandLine): void {
    const player = fencerNamed(line);
    const slowMs = line.secondsOf("slow");
    const word = line.optionalWord();
    player.apiMs = word === "down" ? null : (slowMs ?? 10);
    if (word !== null && word !== "down" && word !== "up") {
      throw new Error(`'api' knows no '${word}'`);
    }
  }

  function confirm(line: CommandLine): void {
    const uid = line.word("a request");
    if (line.flag("withdrawn")) {
      cluster.confirmations.delete(uid);
      return;
    }
    cluster.confirmations.set(uid, {
      requestUID: line.value("uid") ?? uid,
      bootID: line.value("boot") ?? "A",
      by: line.value("by") ?? "alice",
      at: "2026-01-01T00:00:00Z",
    });
  }

  function reportOf(player: FencerPlayer): (uid: string) => {
    readonly state: string;
    readonly unfencable: string | null;
  } {
    return (uid) => {
      const request = player.state.requests.find((known) => known.uid === uid);
      if (request === undefined) {
        throw new Error(`${player.config.name} does not know ${uid}`);
      }
      const nowMs = player.clock.offsetMs + timeline.nowMs() * player.clock.rate;
      const report = reportRequest(player.state, request, nowMs);
      return { state: report.state, unfencable: report.unfencable?.code ?? null };
    };
  }

  function expectSomething(line: CommandLine): void {
    const who = line.word("a fencer, or 'slot'");
    if (who === "slot") {
      expectSlot(device, line);
      return;
    }
    const player = fencers.get(who);
    if (player === undefined) {
      throw new Error(`There is no fencer ${who}`);
    }
    expectRequest(player, line, reportOf(player));
  }

  function run(line: CommandLine): void {
    switch (line.name) {
      case "fencer":
        return newFencer(line);
      case "request":
        return accept(line);
      case "withdraw": {
        const player = fencerNamed(line);
        return player.tell({ type: "withdraw", uid: line.word("a request") });
      }
      case "about": {
        cluster.abouts.set(line.word("a request"), line.word("a boot"));
        return;
      }
      case "gone": {
        cluster.requests.delete(line.word("a request"));
        return;
      }
      case "alive":
        return startNode(line);
      case "silent":
        return living.get(Number(line.word("a slot")))?.silence();
      case "land":
        return land(line);
      case "garble":
        return spoil(line, GARBAGE);
      case "blank":
        return spoil(line, { kind: "empty" });
      case "bare":
        return bareHeartbeat(line);
      case "swap":
        device.swapped = line.word("'out' or 'back'") === "out";
        return;
      case "clear":
        return clear(line);
      case "node":
        return setNode(line);
      case "grants":
        cluster.grants = onOff(line.word("'on' or 'off'"), true);
        return;
      case "name":
        cluster.named = line.word("a fencer");
        return;
      case "epoch":
        cluster.epoch = Number(line.word("an epoch"));
        return;
      case "records":
        cluster.records = onOff(line.word("'on' or 'off'"), true);
        return;
      case "confirm":
        return confirm(line);
      case "api":
        return setApi(line);
      case "writes": {
        const player = fencerNamed(line);
        player.writes = oneOf(WRITE_FATES, line.word("a fate"));
        return;
      }
      case "reads": {
        const player = fencerNamed(line);
        player.readMs = line.secondsOf("slow") ?? 10;
        player.reads = oneOf(READ_FATES, line.word("a fate"));
        return;
      }
      case "stall": {
        const player = fencerNamed(line);
        return player.stall(line.seconds("for how long"));
      }
      case "kill":
        return fencerNamed(line).stop();
      case "until":
        return timeline.runUntil(line.seconds("until when"));
      case "expect":
        return expectSomething(line);
      case "never":
        nevers.push(neverRule(line));
        return;
      default:
        throw new Error(`There is no command '${line.name}'`);
    }
  }

  return {
    run(line) {
      run(line);
      line.finish();
    },
    takeTrace() {
      const taken = trace;
      trace = [];
      return taken;
    },
    finish() {
      for (const never of nevers) {
        happenings.forEach((happening) => never(happening));
      }
    },
    proofs: () =>
      [...fencers.values()].flatMap(({ config, state }) =>
        state.requests.flatMap(({ uid, proof, grounds }) =>
          proof === null || grounds === null
            ? []
            : [{ fencer: config.name, uid, evidence: proof, grounds }],
        ),
      ),
  };
}

function pausable(line: CommandLine): "Accept" | "Refuse" {
  return oneOf(["Accept", "Refuse"] as const, line.value("pausable") ?? "Accept");
}

function onOff(word: string | null, otherwise: boolean): boolean {
  return word === null ? otherwise : oneOf(["on", "off"] as const, word) === "on";
}

function oneOf<Word extends string>(words: readonly Word[], word: string): Word {
  const found = words.find((known) => known === word);
  if (found === undefined) {
    throw new Error(`'${word}' is none of ${words.join(", ")}`);
  }
  return found;
}
