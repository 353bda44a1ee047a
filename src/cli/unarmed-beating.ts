import { randomBytes } from "node:crypto";
import os from "node:os";
import { setTimeout as delay } from "node:timers/promises";

import { readPass } from "../fencing/shell/device-pass.ts";
import { hostClock } from "../platform/host-clock.ts";
import { isVirtualMachine, readBootID, readMachineID } from "../platform/host-identity.ts";
import type { HeartbeatRecord } from "../protocol/heartbeat-record.ts";
import { deriveTiming } from "../timing/contract.ts";
import { CliError } from "./cli-error.ts";
import { answerOf, GIVE_UP_MS, openDeviceClient } from "./device-client.ts";
import type { Terminal } from "./terminal.ts";

export type BeatingOptions = {
  readonly devicePath: string;
  readonly nodeID: number;
  readonly hostRoot: string;
};

/** Heartbeats of a node that is about to be reset by its own watchdog. */
export type Beating = {
  /** Beats from now on, once a pass, until the end of the process. */
  begin(): void;
  /** How it is going, for people. */
  describe(): string;
  end(): Promise<void>;
};

/**
 * Makes ready to beat, unarmed, in this machine's own slot. All beats are of one agent start whose
 * first is written right after the last pet: from the first one's uptime to the last one's is how long
 * the machine lived.
 *
 * @throws {CliError} `REFUSED`: not initialised, or the slot is another's; `DEVICE`, `DEVICE_SILENT`
 */
export async function startBeating(
  { devicePath, nodeID, hostRoot }: BeatingOptions,
  terminal: Terminal,
): Promise<Beating> {
  const bootID = readBootID(hostRoot);
  const { machineID } = readMachineID(hostRoot);
  const client = await openDeviceClient(devicePath);
  const first = await answerOf(
    terminal,
    devicePath,
    readPass(client, nodeID, null),
    GIVE_UP_MS,
  ).catch(async (error: unknown) => {
    await client.close();
    throw error;
  });
  const { header } = first;
  const slot = first.heartbeats.slots.get(nodeID);
  const own =
    slot === undefined || (slot.kind === "heartbeat" && slot.record.machineID === machineID);
  if (header === null || !own) {
    await client.close();
    throw new CliError(
      "REFUSED",
      header === null
        ? `Not tested: ${devicePath} has no readable header, so no peer watches it. Initialise it with ` +
            `'sbdctl device init' first.`
        : `Not tested: slot ${nodeID} of ${devicePath} is not this machine's, and beating there would ` +
            `take another node's place. Give this node's own --node-id; 'sbdctl device show' lists them.`,
    );
  }
  const { passIntervalMs } = deriveTiming(header);
  const nodeName = slot?.kind === "heartbeat" ? slot.record.nodeName : os.hostname();
  const startID = randomBytes(8).toString("hex");
  let written = 0;
  let failure: string | null = null;
  const ending = new AbortController();

  function heartbeat(sequence: number): HeartbeatRecord {
    return {
      nodeID,
      timestampNs: hostClock.wallNs(),
      sequence,
      bootID,
      machineID,
      virtual: isVirtualMachine(hostRoot),
      startID,
      nodeName,
      uptimeMs: Math.floor(hostClock.livedMs()),
      timeoutMs: header?.timeoutMs ?? 0,
      watchdogMs: header?.watchdogMs ?? 0,
      armed: false,
      detectOnly: false,
      leaving: false,
      fenced: false,
      acknowledgedEpoch: 0,
      seenEpoch: slot?.kind === "heartbeat" ? slot.record.seenEpoch : 0,
      moving: [],
      passLatencyMs: 0,
    };
  }

  async function beat(): Promise<void> {
    for (let sequence = 1; !ending.signal.aborted; sequence += 1) {
      const startedMs = hostClock.rawMs();
      try {
        const record = heartbeat(sequence);
        await client.request({ op: "read-pass", nodeID });
        await client.request({ op: "write-heartbeat", record });
        written = sequence;
        failure = null;
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
      }
      await delay(Math.max(0, startedMs + passIntervalMs - hostClock.rawMs()));
    }
  }

  return {
    begin: () => void beat(),
    describe: () =>
      failure === null ? `heartbeat ${written} written` : `heartbeats fail: ${failure}`,
    async end() {
      ending.abort();
      await client.close();
    },
  };
}
