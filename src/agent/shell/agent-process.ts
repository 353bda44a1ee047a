import { randomBytes } from "node:crypto";

import { WatchdogError } from "../../platform/watchdog-error.ts";
import { hostClock } from "../../platform/host-clock.ts";
import type { HostState } from "../../platform/host-state.ts";
import { native } from "../../platform/native.ts";
import type { Sysrq } from "../../platform/sysrq.ts";
import type { Timing } from "../../timing/contract.ts";
import type { AgentConfig } from "../agent-config.ts";
import { initialAgentState, type AgentState } from "../agent-state.ts";
import { stepAgent } from "../agent.ts";
import type { AgentEffect } from "../effect.ts";
import type { AgentEvent } from "../event.ts";
import { agentStatus } from "./agent-status.ts";
import type { ApiLink } from "./api-link.ts";
import type { ToCore } from "./api-message.ts";
import { startDiskWorker } from "../../platform/disk-worker-handle.ts";
import { createFencerHost } from "../../fencing/driver/fencer-host.ts";
import { narrateFencer } from "../../fencing/driver/fencer-narration.ts";
import { createSlotTaskDriver } from "../../fencing/driver/slot-task-driver.ts";
import { fenceDevice } from "../../fencing/shell/fence-device.ts";
import type { LineLogger } from "../../program/line-logger.ts";
import { sightRegions } from "../../fencing/shell/region-sightings.ts";
import { petCounts, type WatchdogControl } from "./watchdog-control.ts";

/** What the agent's process is made of; all of it exists before the first pass. */
export type AgentProcessOptions = {
  readonly config: AgentConfig;
  readonly devicePath: string;
  readonly api: ApiLink;
  /** The slot was told by its SBDNode, not by the administrator: it moves when that does. */
  readonly followsSbdNode: boolean;
  readonly watchdogName: string;
  readonly hostState: HostState;
  readonly watchdog: WatchdogControl;
  readonly sysrq: Sysrq | null;
  readonly logger: LineLogger;
};

/** Finer than any interval the core counts by. */
const TICK_MS = 50;
/** How often the API process is told how this agent is, besides when that changes. */
const STATUS_EVERY_MS = 1_000;

/**
 * The core process: feeds events to the agent's core and carries its effects out, in order. Nothing
 * here blocks but what the kernel answers at once; the device is the disk worker's.
 */
export function runAgent(options: AgentProcessOptions): void {
  const { config, hostState, watchdog, sysrq, logger, api } = options;
  let state = initialAgentState(config);
  let lastStatusMs = -Infinity;
  let lastStanding = "";
  let ioErrors = 0;
  let watchingSinceMs: number | null = null;
  const pending: AgentEvent[] = [];
  let stepping = false;
  let movingSlot = false;

  const worker = startDiskWorker(options.devicePath, () => {
    logger.log("error", "the disk worker died and was replaced");
    dispatch({ type: "disk-worker-replaced" });
  });
  const fencers = createFencerHost({
    name: config.nodeName,
    nodeID: config.nodeID,
    clock: hostClock,
    nonce: newNonce,
    device: fenceDevice(worker),
    stepped: (step) => narrateFencer(step).forEach((line) => logger.log("info", line)),
    send: (message) => api.send(message),
    contract: contractForOthers,
    log: (level, message) => logger.log(level, message),
  });
  const slotTasks = createSlotTaskDriver({
    name: config.nodeName,
    nodeID: config.nodeID,
    clock: hostClock,
    nonce: newNonce,
    device: fenceDevice(worker),
    send: (message) => api.send(message),
    contract: contractForOthers,
    sightings: () => fencers.sightings,
    keepOnly: (nodeName, uids) => fencers.keepOnly(nodeName, uids),
    log: (level, message) => logger.log(level, message),
  });

  /** Whoever writes for others has had a good pass and is not about to go. */
  function contractForOthers(): Timing | null {
    const serves = state.life.kind === "serving" && state.lastGood !== null;
    return serves ? (state.device?.timing ?? null) : null;
  }

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
      if (state.life.kind !== before.life.kind) {
        // Told before it is done: a latched node is gone in a moment.
        sendStatus(hostClock.livedMs());
      }
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
        openWatchdog(effect);
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
        shortenWatchdog(effect);
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
      case "ask-vouch":
        api.send(effect);
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
      watchingSinceMs ??= heartbeatsTimes.endedLivedMs;
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
      fencers.sight(sightRegions(fencers.sightings, regions));
    } catch (error) {
      ioErrors += 1;
      dispatch({ type: "regions-failed", error: String(error) });
    }
  }

  function openWatchdog({ timeoutSeconds, notAfterMs }: OpenWatchdog): void {
    if (hostClock.livedMs() >= notAfterMs) {
      dispatch({ type: "watchdog-late" });
      return;
    }
    try {
      dispatch({ type: "watchdog-opened", ...watchdog.open(timeoutSeconds) });
    } catch (error) {
      dispatch({ type: "watchdog-failed", error: messageOf(error) });
    }
  }

  function shortenWatchdog({ timeoutSeconds, notAfterMs }: ShortenWatchdog): void {
    if (hostClock.livedMs() >= notAfterMs) {
      const error = "the deadline has passed";
      dispatch({ type: "watchdog-not-shortened", refused: false, error });
      return;
    }
    try {
      dispatch({
        type: "watchdog-shortened",
        reportedSeconds: watchdog.shorten(timeoutSeconds),
      });
    } catch (error) {
      const refused = error instanceof WatchdogError && error.code === "TIMEOUT_REFUSED";
      dispatch({ type: "watchdog-not-shortened", refused, error: messageOf(error) });
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
      ioErrors += 1;
      event = to.failed(messageOf(error));
    }
    dispatch(event);
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

  /** Its SBDNode is another by now: leave this slot in order, and let the next start take that one. */
  function slotTold(nodeID: number, sbdNode: string): void {
    if (nodeID === config.nodeID || movingSlot) {
      return;
    }
    if (!options.followsSbdNode) {
      logger.log(
        "debug",
        `SBDNode ${sbdNode} gives this node slot ${nodeID}; --node-id says ${config.nodeID}, and counts`,
      );
      return;
    }
    movingSlot = true;
    logger.log("warn", `this node has slot ${nodeID} now (${sbdNode}); leaving ${config.nodeID}`);
    attempt(
      () => hostState.recordSlot({ nodeID, sbdNode }),
      { type: "terminate" },
      () => null,
    );
  }

  function tick(): void {
    dispatch({ type: "tick" });
    if (state.life.kind === "serving") {
      fencers.tick();
    }
    slotTasks.tick();
    const nowMs = hostClock.livedMs();
    const standing = `${state.watchdog.kind} ${state.lastPass?.trouble === null}`;
    if (nowMs - lastStatusMs >= STATUS_EVERY_MS || standing !== lastStanding) {
      lastStanding = standing;
      sendStatus(nowMs);
    }
  }

  function sendStatus(nowMs: number): void {
    lastStatusMs = nowMs;
    const counts = { ...petCounts(), ioErrors, watchingSinceMs };
    api.send({ type: "status", status: agentStatus(state, counts, nowMs) });
  }

  function exit(code: number): void {
    if (code === 0) {
      attempt(
        () => {
          hostState.endInOrder();
          // Released on the API's word alone, its slot still tells of an armed boot on this device.
          if (state.watchdog.kind === "released" && state.lastWritten?.leaving === true) {
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

  api.listen(receive);
  process.on("SIGTERM", () => dispatch({ type: "terminate" }));
  process.on("SIGINT", () => dispatch({ type: "terminate" }));
  setInterval(tick, TICK_MS);
}

type ShortenWatchdog = AgentEffect & { readonly type: "shorten-watchdog" };
type OpenWatchdog = AgentEffect & { readonly type: "open-watchdog" };

function newNonce(): string {
  return randomBytes(16).toString("hex");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
