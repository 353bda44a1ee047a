import { hostClock } from "../../platform/host-clock.ts";
import type { HostState } from "../../platform/host-state.ts";
import { native } from "../../platform/native.ts";
import type { Sysrq } from "../../platform/sysrq.ts";
import type { AgentConfig } from "../agent-config.ts";
import { initialAgentState, isArmed, type AgentState } from "../agent-state.ts";
import { stepAgent } from "../agent.ts";
import type { AgentEffect } from "../effect.ts";
import type { AgentEvent } from "../event.ts";
import { agentStatus } from "./agent-status.ts";
import type { FromCore, ToCore } from "./api-message.ts";
import { startDiskWorker } from "./disk-worker-handle.ts";
import { createFencerHost } from "./fencer-host.ts";
import type { LineLogger } from "./line-logger.ts";
import { listenForLines } from "./line-socket.ts";
import type { WatchdogControl } from "./watchdog-control.ts";

/** What the agent's process is made of; all of it exists before the first pass. */
export type AgentProcessOptions = {
  readonly config: AgentConfig;
  readonly devicePath: string;
  readonly apiSocketPath: string;
  readonly watchdogName: string;
  readonly hostState: HostState;
  readonly watchdog: WatchdogControl;
  readonly sysrq: Sysrq | null;
  readonly logger: LineLogger;
};

/** Finer than any interval the core counts by. */
const TICK_MS = 50;
/** How often the API process is told how this agent is, and asked to vouch. */
const STATUS_EVERY_MS = 1_000;

/**
 * The core process: feeds events to the agent's core and carries its effects out, in order. Nothing
 * here blocks but what the kernel answers at once; the device is the disk worker's.
 */
export function runAgent(options: AgentProcessOptions): void {
  const { config, hostState, watchdog, sysrq, logger } = options;
  let state = initialAgentState(config);
  let lastStatusMs = -Infinity;
  const pending: AgentEvent[] = [];
  let stepping = false;
  const vouchesAsked = new Map<number, { readonly startedMs: number; readonly leaving: boolean }>();
  let vouchIDs = 0;

  const socket = listenForLines<FromCore>(options.apiSocketPath, {
    connected: () => logger.log("info", "the API process is connected"),
    message: (message) => receive(message as ToCore),
    failed: (error) => logger.log("warn", `API socket: ${error}`),
  });
  const worker = startDiskWorker(options.devicePath, () => {
    logger.log("error", "the disk worker died and was replaced");
    dispatch({ type: "disk-worker-replaced" });
  });
  const fencers = createFencerHost({
    name: config.nodeName,
    nodeID: config.nodeID,
    worker,
    send: (message) => socket.send(message),
    contract: () =>
      state.life.kind === "serving" && state.lastGood !== null
        ? (state.device?.timing ?? null)
        : null,
    log: (level, message) => logger.log(level, message),
  });

  /** Effects that answer at once queue their events, so that a step's effects stay in order. */
  function dispatch(event: AgentEvent): void {
    pending.push(event);
    if (stepping) {
      return;
    }
    stepping = true;
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const before = state;
      const step = stepAgent(state, next, hostClock.livedMs());
      state = step.state;
      for (const effect of step.effects) {
        perform(effect);
      }
      noteUnconfirmedWrite(before, state);
    }
    stepping = false;
  }

  function perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "read-pass":
        void readPass(effect.pass);
        return;
      case "write-heartbeat":
        void answer(worker.request({ op: "write-heartbeat", record: effect.record }), {
          done: () => ({ type: "heartbeat-written", pass: effect.pass }),
          failed: (error) => ({ type: "pass-failed", pass: effect.pass, error }),
        });
        return;
      case "read-regions":
        void readRegions();
        return;
      case "keep-first-read":
        attempt(
          () => {
            hostState.claim({
              configUID: state.device?.header.configUID ?? "",
              deviceUUID: effect.deviceUUID,
              watchdog: options.watchdogName,
            });
            hostState.recordFirstRead({ messages: effect.messages });
          },
          { type: "first-read-kept" },
          (error) => ({ type: "first-read-failed", error }),
        );
        return;
      case "forget-unclean-starts":
        hostState.forgetUncleanStarts();
        return;
      case "open-watchdog":
        openWatchdog(effect.timeoutSeconds);
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
      case "keep-mark":
        attempt(
          () => hostState.recordLatch(effect.mark),
          { type: "mark-kept" },
          (error) => ({ type: "mark-failed", error }),
        );
        return;
      case "acknowledge":
        void answer(worker.request({ op: "write-heartbeat", record: effect.record }, "urgent"), {
          done: () => ({ type: "acknowledged" }),
          failed: (error) => ({ type: "acknowledge-failed", error }),
        });
        return;
      case "reboot":
        reboot(effect.method);
        return;
      case "release-watchdog":
        attempt(
          () => watchdog.release(),
          null,
          () => null,
        );
        return;
      case "stretch-watchdog":
        attempt(
          () => watchdog.stretch(),
          null,
          () => null,
        );
        return;
      case "exit":
        exit(effect.code);
        return;
      case "log":
        logger.log(effect.level, effect.message);
        return;
    }
  }

  async function readPass(pass: number): Promise<void> {
    await answer(worker.request({ op: "read-pass", nodeID: config.nodeID }), {
      done: (read) => ({ type: "pass-read", pass, ...read }),
      failed: (error) => ({ type: "pass-failed", pass, error }),
    });
  }

  async function readRegions(): Promise<void> {
    try {
      const regions = await worker.request({ op: "read-regions" });
      const { heartbeatsTimes, fencesTimes } = regions;
      dispatch({
        type: "heartbeats-read",
        reading: {
          startedMs: heartbeatsTimes.startedLivedMs,
          endedMs: heartbeatsTimes.endedLivedMs,
          slots: regions.heartbeats,
        },
      });
      dispatch({
        type: "fences-read",
        reading: {
          startedMs: fencesTimes.startedLivedMs,
          endedMs: fencesTimes.endedLivedMs,
          slots: regions.fences,
        },
      });
      fencers.sight(regions);
    } catch (error) {
      dispatch({ type: "regions-failed", error: String(error) });
    }
  }

  function openWatchdog(timeoutSeconds: number): void {
    try {
      dispatch({ type: "watchdog-opened", reportedSeconds: watchdog.open(timeoutSeconds) });
    } catch (error) {
      dispatch({ type: "watchdog-failed", error: messageOf(error) });
    }
  }

  function reboot(method: "panic" | "systemctl-reboot"): void {
    logger.log("fatal", `rebooting this node: ${method}`);
    if (method === "systemctl-reboot") {
      const pid = native.runInHostNamespaces([
        "/usr/bin/systemctl",
        "reboot",
        "--force",
        "--force",
      ]);
      if (pid >= 0) {
        return;
      }
    }
    try {
      sysrq?.reboot();
    } catch (error) {
      logger.log("fatal", messageOf(error));
    }
  }

  /** A successor in this boot must know that something may still land over its `leaving`. */
  function noteUnconfirmedWrite(before: AgentState, after: AgentState): void {
    if (after.unconfirmedWrite && !before.unconfirmedWrite) {
      attempt(
        () => hostState.recordUnconfirmedWrite(),
        null,
        () => null,
      );
    }
  }

  function attempt(
    action: () => void,
    done: AgentEvent | null,
    failed: (error: string) => AgentEvent | null,
  ): void {
    let event: AgentEvent | null;
    try {
      action();
      event = done;
    } catch (error) {
      logger.log("error", messageOf(error));
      event = failed(messageOf(error));
    }
    if (event !== null) {
      dispatch(event);
    }
  }

  async function answer<Reply>(
    reply: Promise<Reply>,
    to: {
      readonly done: (reply: Reply) => AgentEvent;
      readonly failed: (error: string) => AgentEvent;
    },
  ): Promise<void> {
    let event: AgentEvent;
    try {
      event = to.done(await reply);
    } catch (error) {
      event = to.failed(messageOf(error));
    }
    dispatch(event);
  }

  function receive(message: ToCore): void {
    if (message.type === "vouch-read") {
      const asked = vouchesAsked.get(message.id);
      vouchesAsked.clear();
      if (asked !== undefined) {
        dispatch({ type: "api-read", openRequests: message.openRequests, ...asked });
      }
      return;
    }
    if (state.life.kind === "serving" || message.type !== "fence") {
      fencers.receive(message);
    }
  }

  function tick(): void {
    dispatch({ type: "tick" });
    if (state.life.kind === "serving") {
      fencers.tick();
    }
    const nowMs = hostClock.livedMs();
    if (nowMs - lastStatusMs >= STATUS_EVERY_MS) {
      lastStatusMs = nowMs;
      socket.send({ type: "status", status: agentStatus(state, nowMs) });
      askToVouch(nowMs);
    }
  }

  function askToVouch(nowMs: number): void {
    if (!socket.connected || !isArmed(state)) {
      return;
    }
    vouchIDs += 1;
    const leaving = state.life.kind === "leaving";
    vouchesAsked.set(vouchIDs, { startedMs: nowMs, leaving });
    socket.send({ type: "ask-vouch", id: vouchIDs, leaving });
  }

  function exit(code: number): void {
    if (code === 0) {
      attempt(
        () => {
          hostState.endInOrder();
          if (state.watchdog.kind === "released") {
            hostState.disown();
          }
        },
        null,
        () => null,
      );
    }
    logger.log("info", `exiting with ${code}`);
    logger.flush();
    // oxlint-disable-next-line unicorn/no-process-exit -- the core has decided that this process ends
    process.exit(code);
  }

  process.on("SIGTERM", () => dispatch({ type: "terminate" }));
  process.on("SIGINT", () => dispatch({ type: "terminate" }));
  setInterval(tick, TICK_MS);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
