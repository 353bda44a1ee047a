import fs from "node:fs";
import { join } from "node:path";

import { isVirtualMachine, readBootID, readMachineID } from "../platform/host-identity.ts";
import { inspectWatchdog, type WatchdogInspection } from "../platform/watchdog-inspection.ts";
import type { AskedContract, DeviceOwner } from "../timing/device-agreement.ts";
import { CliError } from "./cli-error.ts";
import { answerOf, GIVE_UP_MS, openDeviceClient } from "./device-client.ts";
import type { DeviceFacts, DoctorFacts } from "./doctor-facts.ts";
import { judgeNode, type Finding } from "./doctor-judgement.ts";
import { agentFacts, numberOf, systemdWatchdogSettings, textOf } from "./host-facts.ts";
import { storageFacts } from "./storage-facts.ts";
import { paint, textFields, type Style } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export type DoctorOptions = {
  readonly hostRoot: string;
  readonly watchdogPath: string;
  /** Null: the device is not looked at. */
  readonly devicePath: string | null;
  readonly asked: AskedContract;
  readonly owner: DeviceOwner | null;
};

const LEVEL_STYLE = {
  problem: "red",
  warning: "yellow",
  note: "dim",
  ok: "green",
} as const satisfies Readonly<Record<Finding["level"], Style>>;

/** `sbdctl doctor`: looks at this machine, writes nothing. @throws {CliError} `FINDINGS` */
export async function examineNode(options: DoctorOptions, terminal: Terminal): Promise<void> {
  const findings = judgeNode(await gatherFacts(options, terminal));
  const problems = findings.filter(({ level }) => level === "problem").length;
  const document = { time: new Date().toISOString(), problems, findings };
  const text = findingsText(findings);
  if (problems > 0) {
    throw new CliError(
      "FINDINGS",
      `${problems} of ${findings.length} checks found what would hinder a fencing of this node.`,
      document,
      text,
    );
  }
  terminal.answer(document, text);
}

function findingsText(findings: readonly Finding[]): string {
  const fields = findings.flatMap(({ check, level, finding, remedy }) => [
    [level, `${check}: ${finding}`] as const,
    ...(remedy === "" ? [] : ([["", `-> ${remedy}`]] as const)),
  ]);
  return textFields(fields).replaceAll(/^(problem|warning|note|ok)(?= )/gm, (level) =>
    paint(LEVEL_STYLE[level as Finding["level"]], level),
  );
}

async function gatherFacts(options: DoctorOptions, terminal: Terminal): Promise<DoctorFacts> {
  const { hostRoot, watchdogPath, asked, owner } = options;
  const watchdog = watchdogOf(watchdogPath, hostRoot);
  return {
    machine: {
      bootIDFault: faultOf(() => readBootID(hostRoot)),
      machineIDFault: faultOf(() => readMachineID(hostRoot)),
      isVirtual: isVirtualMachine(hostRoot),
    },
    watchdogPath,
    watchdog,
    systemd: systemdWatchdogSettings(hostRoot),
    sysrqMask: numberOf(join(hostRoot, "proc/sys/kernel/sysrq")),
    sysrqTriggerWritable: isWritable(join(hostRoot, "proc/sysrq-trigger")),
    clockSource: textOf(
      join(hostRoot, "sys/devices/system/clocksource/clocksource0/current_clocksource"),
    ),
    realTimeRuntimeUs: numberOf(join(hostRoot, "proc/sys/kernel/sched_rt_runtime_us")),
    agent: agentFacts(hostRoot, typeof watchdog === "string" ? null : watchdog.device),
    device: await deviceFacts(options, terminal),
    asked,
    owner,
    wallMs: Date.now(),
  };
}

async function deviceFacts(
  { hostRoot, devicePath }: DoctorOptions,
  terminal: Terminal,
): Promise<DeviceFacts> {
  if (devicePath === null) return { kind: "none" };
  const client = await openDeviceClient(devicePath);
  try {
    const startedMs = performance.now();
    const survey = await answerOf(terminal, devicePath, client.ask({ op: "survey" }), GIVE_UP_MS);
    const readMs = performance.now() - startedMs;
    return {
      kind: "read",
      path: devicePath,
      survey,
      readMs,
      storage: storageFacts(hostRoot, devicePath),
    };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { kind: "failed", path: devicePath, message: error.message };
  } finally {
    await client.close();
  }
}

function watchdogOf(path: string, hostRoot: string): WatchdogInspection | string {
  try {
    return inspectWatchdog(path, hostRoot);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function faultOf(read: () => unknown): string | null {
  try {
    read();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isWritable(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
