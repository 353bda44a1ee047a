import type { DeviceAnswer } from "../../fencing/driver/fence-device.ts";
import { createFencerHost, type FencerHost } from "../../fencing/driver/fencer-host.ts";
import { sightRegions } from "../../fencing/driver/region-sightings.ts";
import { createSlotTaskDriver } from "../../fencing/driver/slot-task-driver.ts";
import type { DualTimes, RegionsRead } from "../../observation/region-reading.ts";
import type { Timing } from "../../timing/contract.ts";
import type { AgentConfig } from "../agent-config.ts";
import { initialAgentState, type AgentState } from "../agent-state.ts";
import { stepAgent } from "../agent.ts";
import type { AgentEffect } from "../effect.ts";
import type { AgentEvent } from "../event.ts";
import type { AgentPorts } from "./agent-ports.ts";
import { agentStatus } from "./agent-status.ts";
import type { AgentStatus, ToCore } from "./api-message.ts";

/** An agent's core with all that acts for it, whatever stands behind its ports. */
export type AgentDriver = {
  readonly state: AgentState;
  readonly fencers: FencerHost;
  status(): AgentStatus;
  /** Lets time pass; finer than any interval the core counts by. */
  tick(): void;
  /** What the API process says. */
  receive(message: ToCore): void;
  /** SIGTERM. */
  terminate(): void;
  /** The thread that does the I/O died: what it had in flight may land at any time. */
  diskWorkerReplaced(): void;
  /** The process is gone: nothing is carried out and nothing heard any more. */
  end(): void;
};

/** How often the API process is told how this agent is, besides when that changes. */
const STATUS_EVERY_MS = 1_000;

/**
 * Feeds events to the agent's core and carries its effects out, in order, through ports. It starts no
 * timer, reads no clock but its port, and decides nothing about the node.
 */
export function createAgentDriver(config: AgentConfig, ports: AgentPorts): AgentDriver {
  const { clock, device, watchdog, hostState, send, log, watch } = ports;
  const pending: AgentEvent[] = [];
  let state = initialAgentState(config);
  let stepping = false;
  let ended = false;
  let movingSlot = false;
  let ioErrors = 0;
  let watchingSinceMs: number | null = null;
  let hasSlept = false;
  /** The watchdog is to be released and is not yet. */
  let isReleasing = false;
  /** How the process is to end once it is. */
  let exitCode: number | null = null;
  let toldMs = -Infinity;
  let toldStanding = "";

  const forOthers = {
    name: config.nodeName,
    nodeID: config.nodeID,
    clock,
    nonce: ports.nonce,
    device,
    send,
    contract: contractForOthers,
    log: ports.logFencing,
  };
  const fencers = createFencerHost({
    ...forOthers,
    stepped: (step) => watch.fencerStepped?.(step),
    lookSoon: () => dispatch({ type: "look-wanted" }),
  });
  const slotTasks = createSlotTaskDriver({
    ...forOthers,
    sightings: () => fencers.sightings,
    keepOnly: (nodeName, uids) => fencers.keepOnly(nodeName, uids),
  });

  /** An agent that writes for others has had a good pass and is not about to go. */
  function contractForOthers(): Timing | null {
    const serves = state.life.kind === "serving" && state.lastGood !== null;
    return serves ? (state.device?.timing ?? null) : null;
  }

  /** Effects that answer at once queue their events, so that a step's effects stay in order. */
  function dispatch(event: AgentEvent): void {
    if (ended) return;
    pending.push(event);
    if (stepping) return;
    stepping = true;
    for (let next = pending.shift(); next !== undefined && !ended; next = pending.shift()) {
      takeStep(next);
    }
    stepping = false;
  }

  function takeStep(event: AgentEvent): void {
    const before = state;
    const { state: after, effects } = stepAgent(before, event, clock.livedMs());
    state = after;
    watch.stepped?.(before, after);
    if (after.life.kind !== before.life.kind) {
      // Told before it is done: a latched node is gone in a moment.
      tellStatus();
    }
    for (const effect of effects) {
      watch.before?.(effect);
      if (ended) return;
      perform(effect);
      if (ended) return;
      watch.after?.(effect);
      if (ended) return;
    }
  }

  function perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "read-pass": {
        const { pass } = effect;
        device.readPass(config.nodeID, (read) =>
          hear(read, (reply) => ({ type: "pass-read", pass, ...reply }), failedPass(pass)),
        );
        return;
      }
      case "write-heartbeat": {
        const { pass, record } = effect;
        device.writeHeartbeat(record, "in-turn", (written) =>
          hear(written, () => ({ type: "heartbeat-written", pass }), failedPass(pass)),
        );
        return;
      }
      case "read-regions":
        device.readRegions(heardRegions);
        return;
      case "keep-first-read": {
        const { deviceUUID, messages } = effect;
        const configUID = state.device?.header.configUID ?? "";
        const error = attempt(() => hostState.keepFirstRead({ configUID, deviceUUID }, messages));
        dispatch(
          error === null ? { type: "first-read-kept" } : { type: "first-read-failed", error },
        );
        return;
      }
      case "forget-unclean-starts":
        attempt(() => hostState.forgetUncleanStarts());
        return;
      case "open-watchdog":
        dispatch(openWatchdog(effect));
        return;
      case "look-at-watchdog":
        dispatch({ type: "watchdog-seen", watchdog: watchdog.look() });
        return;
      case "start-petter":
        watchdog.startPetter(effect.periodMs, effect.deadlineMs, effect.selfFence);
        return;
      case "push-deadline":
        watchdog.pushDeadline(effect.deadlineMs);
        return;
      case "latch-petter":
        watchdog.latch();
        return;
      case "shorten-watchdog":
        dispatch(shortenWatchdog(effect));
        return;
      case "keep-mark": {
        const error = attempt(() => hostState.recordLatch(effect.mark));
        dispatch(error === null ? { type: "mark-kept" } : { type: "mark-failed", error });
        return;
      }
      case "acknowledge":
        device.writeHeartbeat(effect.record, "urgent", (written) =>
          hear(
            written,
            () => ({ type: "acknowledged" }),
            (error) => ({ type: "acknowledge-failed", error }),
          ),
        );
        return;
      case "reboot":
        ports.reboot(effect.method);
        return;
      case "release-watchdog":
        isReleasing = attempt(() => watchdog.release()) !== null;
        return;
      case "stretch-watchdog":
        attempt(() => watchdog.stretch());
        return;
      case "ask-vouch":
        send(effect);
        return;
      case "exit":
        exit(effect.code);
        return;
      case "log":
        log(effect.level, effect.message);
        return;
    }
  }

  /** Opening pets, so it is not done from `notAfterMs` on, however long the core's step has waited. */
  function openWatchdog({ timeoutSeconds, notAfterMs }: OpenWatchdog): AgentEvent {
    if (clock.livedMs() >= notAfterMs) {
      return { type: "watchdog-late" };
    }
    try {
      return { type: "watchdog-opened", ...watchdog.open(timeoutSeconds) };
    } catch (error) {
      return { type: "watchdog-failed", error: messageOf(error) };
    }
  }

  function shortenWatchdog({ timeoutSeconds, notAfterMs }: ShortenWatchdog): AgentEvent {
    if (clock.livedMs() >= notAfterMs) {
      const error = "the deadline has passed";
      return { type: "watchdog-not-shortened", refused: false, error };
    }
    const shortened = watchdog.shorten(timeoutSeconds);
    return shortened.ok
      ? { type: "watchdog-shortened", reportedSeconds: shortened.reportedSeconds }
      : { type: "watchdog-not-shortened", refused: shortened.refused, error: shortened.error };
  }

  /**
   * A keepalive that is blocked in the driver ends at some time, and only then can the watchdog be released: to go
   * before would be to close it ticking, and the node would be reset for an agent that has left in order.
   */
  function releaseAgain(): void {
    if (isReleasing && attempt(() => watchdog.release()) === null) {
      isReleasing = false;
      if (exitCode !== null) exit(exitCode);
    }
  }

  function exit(code: number): void {
    if (isReleasing) {
      exitCode = code;
      return;
    }
    if (code === 0) {
      attempt(() => {
        hostState.endInOrder({ unconfirmedWrite: state.unconfirmedWrite });
        // Released on the API's word alone, its slot still tells of an armed boot on this device.
        if (state.watchdog.kind === "released" && state.lastWritten?.leaving === true) {
          hostState.disown();
        }
      });
    }
    ports.exit(code);
  }

  /** Returns why it failed, which is logged; null where it did not. */
  function attempt(action: () => void): string | null {
    try {
      action();
      return null;
    } catch (error) {
      log("error", messageOf(error));
      return messageOf(error);
    }
  }

  function hear<Reply>(
    answer: DeviceAnswer<Reply>,
    done: (reply: Reply) => AgentEvent,
    failed: (error: string) => AgentEvent,
  ): void {
    if (ended) {
      return;
    }
    ioErrors += answer.ok ? 0 : 1;
    dispatch(answer.ok ? done(answer.reply) : failed(answer.error));
  }

  function heardRegions(answer: DeviceAnswer<RegionsRead>): void {
    if (ended) {
      return;
    }
    if (!answer.ok) {
      ioErrors += 1;
      dispatch({ type: "regions-failed", error: answer.error });
      return;
    }
    const { heartbeats, fences, heartbeatsTimes, fencesTimes } = answer.reply;
    watchingSinceMs ??= heartbeatsTimes.endedLivedMs;
    dispatch({
      type: "heartbeats-read",
      reading: { ...lived(heartbeatsTimes), slots: heartbeats },
    });
    dispatch({ type: "fences-read", reading: { ...lived(fencesTimes), slots: fences } });
    if (!ended) {
      sight(answer.reply);
    }
  }

  /** Fencers judge by the clock that suspend stops; while it never did, both clocks show the same. */
  function sight(regions: RegionsRead): void {
    hasSlept ||= !isOneClock(regions.heartbeatsTimes) || !isOneClock(regions.fencesTimes);
    fencers.sight(hasSlept ? sightRegions(fencers.sightings, regions) : state.sightings);
  }

  function receive(message: ToCore): void {
    switch (message.type) {
      case "vouch-read":
        dispatch(message);
        return;
      case "slot":
        slotTold(message.nodeID, message.sbdNode);
        return;
      case "slot-task":
      case "open-requests-read":
        slotTasks.receive(message);
        return;
      case "fence":
        if (state.life.kind === "serving") {
          fencers.receive(message);
        }
        return;
      case "withdraw":
      case "request-read":
      case "node-read":
      case "declared":
        fencers.receive(message);
        return;
    }
  }

  /**
   * Its SBDNode is another by now: leave this slot in order, and let the next start take that one. What
   * could not be recorded is told again.
   */
  function slotTold(nodeID: number, sbdNode: string): void {
    if (nodeID !== config.nodeID && !movingSlot) {
      movingSlot = attempt(() => hostState.recordSlot({ nodeID, sbdNode })) === null;
      if (movingSlot) {
        dispatch({ type: "terminate" });
      }
    }
  }

  function tick(): void {
    dispatch({ type: "tick" });
    if (ended) return;
    releaseAgain();
    if (ended) return;
    if (state.life.kind === "serving") {
      fencers.tick();
    }
    slotTasks.tick();
    if (ended) return;
    const standing = `${state.watchdog.kind} ${state.lastPass?.trouble === null}`;
    if (clock.livedMs() - toldMs >= STATUS_EVERY_MS || standing !== toldStanding) {
      toldStanding = standing;
      tellStatus();
    }
  }

  function tellStatus(): void {
    toldMs = clock.livedMs();
    ports.tell(status);
  }

  function status(): AgentStatus {
    const counts = { ...watchdog.petCounts(), ioErrors, watchingSinceMs };
    return agentStatus(state, counts, clock.livedMs());
  }

  return {
    get state() {
      return state;
    },
    fencers,
    status,
    tick,
    receive,
    terminate: () => dispatch({ type: "terminate" }),
    diskWorkerReplaced: () => dispatch({ type: "disk-worker-replaced" }),
    end() {
      ended = true;
    },
  };
}

type ShortenWatchdog = AgentEffect & { readonly type: "shorten-watchdog" };
type OpenWatchdog = AgentEffect & { readonly type: "open-watchdog" };

function failedPass(pass: number): (error: string) => AgentEvent {
  return (error) => ({ type: "pass-failed", pass, error });
}

function lived({ startedLivedMs, endedLivedMs }: DualTimes): {
  readonly startedMs: number;
  readonly endedMs: number;
} {
  return { startedMs: startedLivedMs, endedMs: endedLivedMs };
}

function isOneClock(times: DualTimes): boolean {
  return times.startedLivedMs === times.startedRawMs && times.endedLivedMs === times.endedRawMs;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
