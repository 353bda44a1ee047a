import { whyNotOurDevice } from "../agent/own-device.ts";
import type { DeviceReply } from "../platform/device-request.ts";
import type { DiskWorker } from "../platform/disk-worker-handle.ts";
import { hostClock } from "../platform/host-clock.ts";
import type { DeviceHeader } from "../protocol/device-header.ts";
import { deriveTiming, seconds, type Timing } from "../timing/contract.ts";
import {
  contractDifference,
  type AskedContract,
  type DeviceOwner,
} from "../timing/device-agreement.ts";

export type DeviceWatchOptions = {
  readonly worker: DiskWorker;
  /** As the SBDConfig has it; the device header counts. */
  readonly asked: AskedContract;
  /** Whose device it must be; null outside of clusters. */
  readonly owner: DeviceOwner | null;
  /** UUIDs of the devices that the agents say they work on; null: not known yet. */
  readonly agentsDevices: () => ReadonlySet<string> | null;
  /** Told of the regions after each good pass. */
  readonly sight: (regions: DeviceReply["read-regions"]) => void;
  /**
   * The path leads to another device, or this one was initialised again: what was seen so far says
   * nothing about it, and the watch has ended.
   */
  readonly onOtherDevice: (detail: string) => void;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** Passes of a reader that beats in no slot. */
export type DeviceWatch = {
  /** The device's contract while the last good pass began within T; null = nobody may write. */
  contract(): Timing | null;
  /** Why the last pass was not good, or that it is too long ago; null where all is well. */
  trouble(): string | null;
  /** A pass out of turn, begun from now on. */
  lookSoon(): void;
  /** Passes that failed. */
  readonly ioErrors: number;
};

/** Any slot: a pass reads one, and this reader has none of its own. */
const ANY_NODE_ID = 1;
const INTERVAL_MS_BEFORE_HEADER = 500;

/**
 * Reads header and both regions every p, until the process ends. A pass is good where all of it
 * worked, it is the device of the first good pass, and it is the one that agents work on. Its age
 * counts from its start.
 */
export function watchDevice(options: DeviceWatchOptions): DeviceWatch {
  const { worker, log } = options;
  let pinned: { readonly header: DeviceHeader; readonly timing: Timing } | null = null;
  let lastGoodMs = -Infinity;
  let trouble: string | null = "no pass yet";
  let ioErrors = 0;
  let wantedMs = -Infinity;
  let wake: (() => void) | null = null;

  function waitFor(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function run(): Promise<void> {
    for (;;) {
      const startedMs = hostClock.rawMs();
      let other: string | null = null;
      try {
        other = await pass(startedMs);
      } catch (error) {
        ioErrors += 1;
        say(error instanceof Error ? error.message : String(error));
      }
      if (other !== null) {
        lastGoodMs = -Infinity;
        options.onOtherDevice(other);
        return;
      }
      const intervalMs = pinned?.timing.passIntervalMs ?? INTERVAL_MS_BEFORE_HEADER;
      if (wantedMs <= startedMs) {
        await waitFor(startedMs + intervalMs - hostClock.rawMs());
      }
    }
  }

  /** Returns why this is another device, null where it is not. */
  async function pass(startedMs: number): Promise<string | null> {
    const { header: slot, samePath } = await worker.request({
      op: "read-pass",
      nodeID: ANY_NODE_ID,
    });
    const why = whyNotOurDevice(slot, samePath, pinned?.header ?? null, options.owner);
    if (why !== null && pinned !== null && (slot.kind === "header" || !samePath)) {
      return why.detail;
    }
    if (why !== null || slot.kind !== "header") {
      say(why?.detail ?? "the device has no header");
      return null;
    }
    const refusal = whyNotTheAgents(slot.header);
    if (refusal !== null) {
      say(refusal);
      return null;
    }
    const timing = deriveTiming(slot.header);
    const regions = await worker.request({ op: "read-regions" });
    if (pinned === null) {
      pinned = { header: slot.header, timing };
      const difference = contractDifference(slot.header, options.asked);
      if (difference !== null) {
        log("warn", `${difference}: this fencer waits by the device header`);
      }
    }
    lastGoodMs = startedMs;
    say(null);
    options.sight(regions);
    return null;
  }

  function whyNotTheAgents({ deviceUUID, timeoutMs }: DeviceHeader): string | null {
    const { asked, owner } = options;
    if (owner === null && asked.timeoutMs !== null && asked.timeoutMs !== timeoutMs) {
      return (
        `the device was initialised with T = ${seconds(timeoutMs)} and this fencer was configured with ` +
        `${seconds(asked.timeoutMs)}, so it fences nobody. Stop all agents and initialise the device ` +
        `again, or correct sbdTimeoutSeconds`
      );
    }
    const known = options.agentsDevices();
    if (known === null) {
      return "nobody has told yet which device the agents work on";
    }
    return known.size === 0 || known.has(deviceUUID)
      ? null
      : `the device here is ${deviceUUID} and the agents work on ${[...known].join(", ")}, so nothing ` +
          `that is written here reaches them. Mend the PVC`;
  }

  function say(now: string | null): void {
    if (now !== trouble) {
      log(now === null ? "info" : "warn", now === null ? "passes are good" : `the pass: ${now}`);
    }
    trouble = now;
  }

  function isFresh(): boolean {
    return pinned !== null && hostClock.rawMs() - lastGoodMs <= pinned.timing.timeoutMs;
  }

  void run();
  return {
    contract: () => (isFresh() ? (pinned?.timing ?? null) : null),
    trouble: () => trouble ?? (isFresh() ? null : "no good pass for T: the device does not answer"),
    lookSoon() {
      wantedMs = hostClock.rawMs();
      wake?.();
    },
    get ioErrors() {
      return ioErrors;
    },
  };
}
