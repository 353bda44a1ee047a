import {
  contractDifference,
  whyNotOwned,
  type DeviceContract,
} from "../timing/device-agreement.ts";
import { defaultWatchdogMs, deriveTiming, seconds } from "../timing/contract.ts";
import type { AgentFacts, DeviceFacts, DoctorFacts, StorageFacts } from "./doctor-facts.ts";
import { opinionOf } from "./watchdog-opinion.ts";

/**
 * - `problem`  a fencing of this node, or by it, would fail or prove nothing
 * - `warning`  it may, under load or in a failover
 * - `note`     worth to know
 * - `ok`       nothing is wrong
 */
export type FindingLevel = "problem" | "warning" | "note" | "ok";

export type Finding = {
  readonly check: string;
  readonly level: FindingLevel;
  /** What is so, and what it means for the node. */
  readonly finding: string;
  /** What to do; empty where nothing is to be done. */
  readonly remedy: string;
};

/** Clock sources that count while the processor sleeps and do not wrap within seconds. */
const COARSE_CLOCKS: ReadonlySet<string> = new Set(["jiffies", "refined-jiffies", "pit"]);
const WALL_SKEW_NOTED_MS = 2_000;
/** Drivers' holders that pet it as well as the agent would. */
const SYSTEMD_OFF: ReadonlySet<string> = new Set(["", "0", "off", "infinity", "default"]);
const SYSRQ_ALL = 1;
const SYSRQ_REBOOT = 128;

/** Judges a node by what was looked at. Pure; the order is that in which an agent meets them. */
export function judgeNode(facts: DoctorFacts): readonly Finding[] {
  return [
    ...identityFindings(facts),
    ...watchdogFindings(facts),
    ...systemdFindings(facts),
    ...rebootFindings(facts),
    clockFinding(facts),
    ...agentFindings(facts),
    ...deviceFindings(facts),
  ];
}

function identityFindings({ machine }: DoctorFacts): Finding[] {
  const faults = [machine.bootIDFault, machine.machineIDFault].filter((fault) => fault !== null);
  if (faults.length > 0) {
    return faults.map((fault) => problem("identity", fault, "As the sentence says."));
  }
  return [
    machine.isVirtual
      ? note(
          "identity",
          "This is, or may be, a virtual machine: one that its hypervisor pauses for longer than M and " +
            "resumes breaks the proof by time.",
          "Where machines are paused or migrated live, set pausableNodes: Refuse in the SBDConfig.",
        )
      : ok("identity", "Boot and machine can be told from others."),
  ];
}

function watchdogFindings(facts: DoctorFacts): Finding[] {
  const { watchdog, watchdogPath } = facts;
  if (typeof watchdog === "string") {
    return [
      problem(
        "watchdog",
        watchdog,
        "modprobe the driver of the machine's watchdog and have it loaded at boot, for instance by " +
          "/etc/modules-load.d; a virtual machine needs the device added to it (i6300esb).",
      ),
    ];
  }
  const opinion = opinionOf(watchdog, contractOf(facts).watchdogMs);
  const { device, holder, state } = watchdog;
  const name = `${watchdogPath} (${device}, ${watchdog.driver ?? watchdog.identity ?? "driver unknown"})`;
  const findings = [
    opinion.usable
      ? ok(
          "watchdog",
          `${name}, set to ${opinion.timeoutSeconds} s, resets within ${seconds(opinion.effectiveMs)} ` +
            `(${opinion.factor} s for each second of timeout), within W = ` +
            `${seconds(contractOf(facts).watchdogMs)}.`,
        )
      : problem("watchdog", opinion.message, "As the sentence says; then delete the agent's pod."),
  ];
  const isAgents = holder !== undefined && holder.pid === facts.agent?.pid;
  if (isAgents) {
    findings.push(ok("watchdog-holder", `The agent (${holder.pid}) holds it.`));
  } else if (holder !== undefined) {
    findings.push(
      problem(
        "watchdog-holder",
        `${holder.command} (${holder.pid}) holds ${device}, so the agent cannot open it, and this node ` +
          "stays unarmed.",
        holder.pid === 1
          ? "Set RuntimeWatchdogSec=off in /etc/systemd/system.conf.d and reboot."
          : `Stop and disable what starts ${holder.command}.`,
      ),
    );
  } else if (state === "active") {
    findings.push(
      note(
        "watchdog-holder",
        `${device} ticks and nobody is seen to hold it: firmware or an agent that died started it.`,
        "An agent takes it over with its first good pass; without one this machine resets.",
      ),
    );
  } else {
    findings.push(ok("watchdog-holder", `Nobody holds ${device}: an agent can open it.`));
  }
  return findings;
}

function systemdFindings({ systemd, watchdog }: DoctorFacts): Finding[] {
  const runtime = systemd.find(({ name }) => name === "RuntimeWatchdogSec");
  const device = systemd.find(({ name }) => name === "WatchdogDevice")?.value ?? "/dev/watchdog0";
  if (runtime === undefined || SYSTEMD_OFF.has(runtime.value)) {
    return [ok("systemd", "systemd is not told to use a watchdog while the machine runs.")];
  }
  const ours = typeof watchdog !== "string" && device.endsWith(`/${watchdog.device}`);
  const text = `${runtime.file} says RuntimeWatchdogSec=${runtime.value}, for ${device}`;
  return [
    ours || typeof watchdog === "string"
      ? problem(
          "systemd",
          `${text}: systemd opens the watchdog at boot, and no agent can.`,
          "Set RuntimeWatchdogSec=off there and reboot.",
        )
      : note("systemd", `${text}, which is another watchdog than the agent's.`, ""),
  ];
}

function rebootFindings(facts: DoctorFacts): Finding[] {
  const { watchdog, sysrqMask, sysrqTriggerWritable } = facts;
  const stops = typeof watchdog === "string" ? null : watchdog.stopOnReboot;
  const findings: Finding[] = [];
  if (!sysrqTriggerWritable) {
    findings.push(
      problem(
        "sysrq",
        "/proc/sysrq-trigger cannot be written, so an agent that obeys a message cannot reset the " +
          "machine at once: the watchdog has to, W later.",
        "Run the agent privileged, with the host's /proc, on a kernel with CONFIG_MAGIC_SYSRQ.",
      ),
    );
  } else if (sysrqMask !== null && sysrqMask !== SYSRQ_ALL && (sysrqMask & SYSRQ_REBOOT) === 0) {
    findings.push(
      note(
        "sysrq",
        `kernel.sysrq is ${sysrqMask}, without reboot (128): the agent adds it, and most kernels do not ask.`,
        `Set kernel.sysrq=${sysrqMask | SYSRQ_REBOOT} in /etc/sysctl.d where the kernel is patched to ask.`,
      ),
    );
  } else {
    findings.push(ok("sysrq", "The machine can be reset through sysrq."));
  }
  findings.push(
    stops === 0
      ? ok("reboot", "reboot(2) leaves the watchdog ticking.")
      : note(
          "reboot",
          "reboot(2) may stop the watchdog before it shuts devices down: an administrator's reboot that " +
            "hangs on dead storage is never cut short.",
          "Boot with watchdog.stop_on_reboot=0; rebootMethod systemctl-reboot works only then.",
        ),
  );
  return findings;
}

function clockFinding({ clockSource, device, wallMs }: DoctorFacts): Finding {
  if (clockSource !== null && COARSE_CLOCKS.has(clockSource)) {
    return problem(
      "clock",
      `The kernel's clock source is ${clockSource}, which loses time when interrupts are late: bounds ` +
        "that are counted on it are too short.",
      "See /sys/devices/system/clocksource/clocksource0/available_clocksource and the kernel's log.",
    );
  }
  const aheadMs = newestHeartbeatMs(device) - wallMs;
  return aheadMs > WALL_SKEW_NOTED_MS
    ? note(
        "clock",
        `Another node's heartbeat is dated ${seconds(Math.round(aheadMs))} ahead of this node's wall clock. ` +
          "No bound rests on it, but instants in reports do not line up.",
        "Have chrony or another NTP client run on every node.",
      )
    : ok("clock", `Clock source ${clockSource ?? "unknown"}; no heartbeat is from the future.`);
}

function newestHeartbeatMs(device: DeviceFacts): number {
  if (device.kind !== "read") return -Infinity;
  const times = [...device.survey.heartbeats.values()].map((slot) =>
    slot.kind === "heartbeat" ? Number(slot.record.timestampNs / 1_000_000n) : -Infinity,
  );
  return Math.max(-Infinity, ...times);
}

function agentFindings({ agent, realTimeRuntimeUs }: DoctorFacts): Finding[] {
  const refusesRealTime = realTimeRuntimeUs === 0;
  if (agent === null) {
    return [
      problem(
        "agent",
        "No agent is seen to run here, so nothing guards this node.",
        "See the node's pod in sbd-system: kubectl -n sbd-system get pods -o wide -l app=sbd-agent.",
      ),
      ...(refusesRealTime ? [noRealTime()] : []),
    ];
  }
  return [
    ok("agent", `The agent runs (${agent.pid}).`),
    priorityFinding(agent, refusesRealTime),
    ...limitFindings(agent),
  ];
}

function priorityFinding({ fifoThreads }: AgentFacts, refusesRealTime: boolean): Finding {
  if (fifoThreads > 0) return ok("priority", "Its petter runs at FIFO priority.");
  return refusesRealTime
    ? noRealTime()
    : warning(
        "priority",
        "Its petter does not run at FIFO priority: under load pets come late (10 to 320 ms were measured).",
        "Give the container CAP_SYS_NICE; on a kernel with RT_GROUP_SCHED also cpu.rt_runtime_us.",
      );
}

function noRealTime(): Finding {
  return warning(
    "priority",
    "kernel.sched_rt_runtime_us is 0: no thread runs at real-time priority, and pets come late under load.",
    "Set it to its default, 950000.",
  );
}

function limitFindings({ cpuLimits, oomScoreAdjustment }: AgentFacts): Finding[] {
  const findings = cpuLimits.map(({ cgroup, quotaUs, periodUs }) =>
    problem(
      "cgroup",
      `cpu.max of ${cgroup} gives the agent ${quotaUs} of each ${periodUs} us: once it is used up nothing ` +
        "of it runs until the next period, petting included.",
      "Take the CPU limit off the agent's pod or the slice above it; its DaemonSet sets none.",
    ),
  );
  const score = oomScoreAdjustment ?? -1_000;
  if (score > -900) {
    findings.push(
      warning(
        "cgroup",
        `The agent's oom_score_adj is ${score}: when memory runs out it may be killed before the node's work.`,
        "Give the container CAP_SYS_RESOURCE.",
      ),
    );
  }
  return findings.length === 0
    ? [ok("cgroup", "No cgroup limits its CPU, and memory pressure does not kill it first.")]
    : findings;
}

function deviceFindings(facts: DoctorFacts): Finding[] {
  const { device, asked, owner } = facts;
  switch (device.kind) {
    case "none":
      return [
        note(
          "device",
          "No shared device was named, so it was not looked at.",
          "Run it in the agent's pod, or with --device PATH.",
        ),
      ];
    case "failed":
      return [
        problem(
          "device",
          device.message,
          "Check the volume of the SBDConfig's claim, and the paths from this node to it.",
        ),
      ];
    case "read":
  }
  const { header } = device.survey;
  if (header.kind !== "header") {
    const why =
      header.kind === "empty"
        ? "it was never initialised"
        : `its header cannot be read: ${header.detail}`;
    return [
      problem(
        "device",
        `${device.path} is no device of ours: ${why}. No node on it is armed.`,
        "See the Job sbd-device-init of the SBDConfig, and 'sbdctl device show'.",
      ),
    ];
  }
  const { passIntervalMs } = deriveTiming(header.header);
  const foreign = whyNotOwned(header.header, owner);
  const differs = contractDifference(header.header, asked);
  return [
    device.readMs > passIntervalMs
      ? warning(
          "device",
          `Reading all of ${device.path} took ${seconds(Math.round(device.readMs))}, longer than the ` +
            `${seconds(passIntervalMs)} between two passes.`,
          "Run 'sbdctl device bench' for what is usual.",
        )
      : ok("device", `${device.path} was read in ${seconds(Math.round(device.readMs))}.`),
    foreign === null
      ? ok("device-owner", "The device is the one of this SBDConfig, as far as that was told.")
      : problem("device-owner", `${foreign}.`, "Agents refuse it; as the sentence says."),
    differs === null
      ? ok(
          "contract",
          `T = ${seconds(header.header.timeoutMs)}, W = ${seconds(header.header.watchdogMs)}.`,
        )
      : warning(
          "contract",
          `${differs}: what stands in the header counts.`,
          "Set the SBDConfig as the header is, or initialise the device anew with all agents stopped.",
        ),
    ...storageFindings(device.storage, header.header),
  ];
}

function storageFindings(
  { name, paths, delays }: StorageFacts,
  contract: DeviceContract,
): Finding[] {
  const late = delays.filter(({ seconds: delay }) => delay * 1_000 >= contract.timeoutMs);
  if (late.length > 0) {
    return late.map(({ of, setting, seconds: delay }) =>
      warning(
        "storage",
        `${setting} of ${of} is ${delay} s, and T is ${seconds(contract.timeoutMs)}: I/O that is lost on the ` +
          "way is given up, or tried elsewhere, only when this node has reset itself already.",
        `Set it well below T, or initialise the device anew with T above ${2 * delay} s.`,
      ),
    );
  }
  if (paths.length === 1) {
    return [
      note(
        "storage",
        `${name} has one path: where it fails for T = ${seconds(contract.timeoutMs)}, this node resets.`,
        "Give it a second path, or onStorageLoss: SurviveWithApi.",
      ),
    ];
  }
  return [
    ok(
      "storage",
      `${name}${paths.length > 1 ? ` has ${paths.length} paths, and` : ":"} no timeout on the way is as long as T.`,
    ),
  ];
}

/** That of the device where it can be read, else what was asked for, else the usual one. */
function contractOf({ device, asked }: DoctorFacts): {
  readonly timeoutMs: number;
  readonly watchdogMs: number;
} {
  if (device.kind === "read" && device.survey.header.kind === "header") {
    return device.survey.header.header;
  }
  const timeoutMs = asked.timeoutMs ?? 30_000;
  return { timeoutMs, watchdogMs: asked.watchdogMs ?? defaultWatchdogMs(timeoutMs) };
}

function problem(check: string, finding: string, remedy: string): Finding {
  return { check, level: "problem", finding, remedy };
}

function warning(check: string, finding: string, remedy: string): Finding {
  return { check, level: "warning", finding, remedy };
}

function note(check: string, finding: string, remedy: string): Finding {
  return { check, level: "note", finding, remedy };
}

function ok(check: string, finding: string): Finding {
  return { check, level: "ok", finding, remedy: "" };
}
