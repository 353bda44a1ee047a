import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../platform/testing/temporary-directory.ts";
import type { WatchdogInspection } from "../platform/watchdog-inspection.ts";
import { createHostRoot } from "../testing/host-root.ts";
import type { DeviceFacts, DoctorFacts } from "./doctor-facts.ts";
import { judgeNode } from "./doctor-judgement.ts";
import { agentFacts, systemdWatchdogSettings } from "./host-facts.ts";
import { storageFacts } from "./storage-facts.ts";
import { fileDevice } from "./testing/devices.ts";
import { sbdctl } from "./testing/sbdctl.ts";
import { heartbeatOf } from "./testing/simulated-agent.ts";

const WALL_MS = 1_800_000_000_000;
const UID = "11111111-1111-4111-8111-111111111111";
const WATCHDOG: WatchdogInspection = {
  device: "watchdog0",
  identity: "i6300ESB timer",
  driver: "i6300esb",
  state: "active",
  timeoutSeconds: 5,
  minTimeoutSeconds: 1,
  maxTimeoutSeconds: 2046,
  nowayout: false,
  options: 0x8180,
  bootstatus: 0,
  holder: { pid: 42, command: "node" },
  moduleParameters: {},
  stopOnReboot: 0,
};
const HEADER = {
  formatVersion: 1,
  deviceUUID: UID,
  generation: 1,
  strideBytes: 512,
  configUID: UID,
  clusterUID: UID,
  clusterName: "",
  timeoutMs: 10_000,
  watchdogMs: 5_000,
  onStorageLoss: "SelfFence",
  createdNs: 1n,
} as const;
const STORAGE = { name: "mpatha", paths: ["sda", "sdb"], delays: [] } as const;
const DEVICE = {
  kind: "read",
  path: "/dev/sbd-watchdog",
  readMs: 3,
  storage: STORAGE,
  survey: {
    layout: "BlockDevice",
    logicalBlockBytes: 512,
    sizeBytes: 2 << 20,
    header: { kind: "header", header: HEADER },
    heartbeats: new Map(),
    fences: new Map(),
  },
} as const satisfies DeviceFacts;
/** A node with which nothing is wrong. */
const WELL: DoctorFacts = {
  wallMs: WALL_MS,
  machine: { bootIDFault: null, machineIDFault: null, isVirtual: false },
  watchdogPath: "/dev/watchdog",
  watchdog: WATCHDOG,
  systemd: [],
  sysrqMask: 438,
  sysrqTriggerWritable: true,
  clockSource: "tsc",
  realTimeRuntimeUs: 950_000,
  agent: { pid: 42, fifoThreads: 1, oomScoreAdjustment: -997, cpuLimits: [] },
  device: DEVICE,
  asked: { timeoutMs: 10_000, watchdogMs: 5_000, onStorageLoss: "SelfFence" },
  owner: { configUID: UID, clusterUID: UID },
};

function findings(changes: Partial<DoctorFacts>): string[] {
  return judgeNode({ ...WELL, ...changes })
    .filter(({ level }) => level !== "ok")
    .map(({ check, level }) => `${level} ${check}`);
}

test("of a node that is well there is nothing but ok", () => {
  assert.deepEqual(findings({}), []);
});

test("every finding that is not ok says what to do", () => {
  const ill = judgeNode({
    ...WELL,
    watchdog: "There is none.",
    agent: null,
    sysrqTriggerWritable: false,
    clockSource: "jiffies",
    device: { kind: "failed", path: "/dev/x", message: "It cannot be read." },
  });
  for (const { check, level, remedy } of ill) assert.ok(level === "ok" || remedy !== "", check);
  assert.equal(ill.filter(({ level }) => level === "problem").length, 5);
});

const CASES: readonly (readonly [name: string, changes: Partial<DoctorFacts>, found: string[]])[] =
  [
    [
      "a watchdog too slow for W",
      { watchdog: { ...WATCHDOG, driver: "iTCO_wdt", minTimeoutSeconds: 30, timeoutSeconds: 30 } },
      ["problem watchdog"],
    ],
    [
      "a watchdog that nobody measured",
      { watchdog: { ...WATCHDOG, driver: "wdt", identity: "?" } },
      ["problem watchdog"],
    ],
    [
      "a watchdog that systemd holds",
      { watchdog: { ...WATCHDOG, holder: { pid: 1, command: "systemd" } } },
      ["problem watchdog-holder"],
    ],
    [
      "systemd told to take it",
      { systemd: [{ name: "RuntimeWatchdogSec", value: "20s", file: "/f" }] },
      ["problem systemd"],
    ],
    [
      "systemd told to take another",
      {
        systemd: [
          { name: "RuntimeWatchdogSec", value: "20s", file: "/f" },
          { name: "WatchdogDevice", value: "/dev/watchdog1", file: "/f" },
        ],
      },
      ["note systemd"],
    ],
    [
      "systemd told not to",
      { systemd: [{ name: "RuntimeWatchdogSec", value: "off", file: "/f" }] },
      [],
    ],
    [
      "a kernel that stops it on reboot",
      { watchdog: { ...WATCHDOG, stopOnReboot: 1 } },
      ["note reboot"],
    ],
    ["a mask without reboot", { sysrqMask: 16 }, ["note sysrq"]],
    ["a virtual machine", { machine: { ...WELL.machine, isVirtual: true } }, ["note identity"]],
    [
      "a petter without priority",
      { agent: { pid: 42, fifoThreads: 0, oomScoreAdjustment: -997, cpuLimits: [] } },
      ["warning priority"],
    ],
    [
      "a CPU quota",
      {
        agent: {
          pid: 42,
          fifoThreads: 1,
          oomScoreAdjustment: -997,
          cpuLimits: [{ cgroup: "/kubepods", quotaUs: 5_000, periodUs: 100_000 }],
        },
      },
      ["problem cgroup"],
    ],
    ["a slow device", { device: { ...DEVICE, readMs: 1_500 } }, ["warning device"]],
    [
      "a blank device",
      { device: { ...DEVICE, survey: { ...DEVICE.survey, header: { kind: "empty" } } } },
      ["problem device"],
    ],
    [
      "another cluster's device",
      { owner: { configUID: UID, clusterUID: UID.replace("1", "2") } },
      ["problem device-owner"],
    ],
    [
      "another T than asked for",
      { asked: { ...WELL.asked, timeoutMs: 20_000 } },
      ["warning contract"],
    ],
    [
      "a SCSI timeout longer than T",
      {
        device: {
          ...DEVICE,
          storage: {
            ...STORAGE,
            delays: [
              { of: "sda", setting: "SCSI command timeout", seconds: 30 },
              { of: "sdb", setting: "SCSI command timeout", seconds: 5 },
            ],
          },
        },
      },
      ["warning storage"],
    ],
    [
      "one path",
      { device: { ...DEVICE, storage: { ...STORAGE, paths: ["sda"] } } },
      ["note storage"],
    ],
    [
      "a heartbeat from the future",
      {
        device: {
          ...DEVICE,
          survey: {
            ...DEVICE.survey,
            heartbeats: new Map([
              [
                2,
                {
                  kind: "heartbeat",
                  record: heartbeatOf({ timestampNs: BigInt(WALL_MS + 5_000) * 1_000_000n }),
                },
              ],
            ]),
          },
        },
      },
      ["note clock"],
    ],
  ];

for (const [name, changes, found] of CASES) {
  test(`found: ${name}`, () => assert.deepEqual(findings(changes), found));
}

function files(root: string, contents: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(contents)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
}

test("systemd's drop-ins count in the order of their names, and /etc hides what is elsewhere", () => {
  const root = temporaryDirectory();
  files(root, {
    "etc/systemd/system.conf": "#RuntimeWatchdogSec=1\n[Manager]\nRuntimeWatchdogSec=10s\n",
    "usr/lib/systemd/system.conf.d/50-vendor.conf":
      "RuntimeWatchdogSec=20s\nWatchdogDevice=/dev/watchdog1\n",
    "etc/systemd/system.conf.d/50-vendor.conf": "RuntimeWatchdogSec = 30s\n",
    "run/systemd/system.conf.d/40-early.conf": "RuntimeWatchdogSec=40s\n",
  });
  assert.deepEqual(
    systemdWatchdogSettings(root).map(({ name, value }) => `${name}=${value}`),
    ["RuntimeWatchdogSec=30s"],
  );
});

function stat(policy: number): string {
  return `43 (a) b) S ${Array.from({ length: 37 }, () => "0").join(" ")} ${policy} 0 0\n`;
}

test("the agent is found by its command line, with its threads' policy and its cgroups' quota", () => {
  const root = temporaryDirectory();
  files(root, {
    "proc/7/cmdline": "/bin/sh\0-c\0sbd agent\0",
    "proc/42/cmdline": "/usr/bin/node\0/usr/bin/sbd\0agent\0",
    "proc/42/oom_score_adj": "-997\n",
    "proc/42/cgroup": "0::/kubepods/pod1\n",
    "proc/42/task/42/stat": stat(0),
    "proc/42/task/43/stat": stat(1),
    "sys/fs/cgroup/kubepods/pod1/cpu.max": "max 100000\n",
    "sys/fs/cgroup/kubepods/cpu.max": "50000 100000\n",
  });
  assert.deepEqual(agentFacts(root, null), {
    pid: 42,
    fifoThreads: 1,
    oomScoreAdjustment: -997,
    cpuLimits: [{ cgroup: "/kubepods", quotaUs: 50_000, periodUs: 100_000 }],
  });
});

test("a directory's delays are those of its mount, and a file has none", () => {
  const { paths, delays } = storageFacts("/", temporaryDirectory());
  assert.deepEqual([paths, delays], [[], []]);
});

test("doctor answers in JSON with what it found, also where that is a failure", async (context) => {
  const root = createHostRoot(join(temporaryDirectory(), "host"), "0a".repeat(8) + "1b".repeat(8), {
    identity: "i6300ESB timer",
    options: 0x8180,
    minTimeoutSeconds: 1,
    maxTimeoutSeconds: 2046,
    nowayout: false,
  });
  root.startBoot(UID);
  root.showWatchdog({ active: false, timeoutSeconds: 30, bootStatus: 0 });
  const device = fileDevice();
  const words = ["doctor", "--host-root", root.path, "--device", device];
  const { code, stdout, stderr } = await sbdctl(context, [...words, "-o", "json"]);
  assert.equal(code, 1);
  const { error, problems, findings: found } = JSON.parse(stdout);
  assert.equal(error.code, "FINDINGS", stderr);
  const levels = new Map(found.map(({ check, level }: Record<string, string>) => [check, level]));
  assert.equal(problems, 2);
  assert.deepEqual(
    ["watchdog", "watchdog-holder", "sysrq", "agent", "device"].map((check) => levels.get(check)),
    ["ok", "ok", "ok", "problem", "problem"],
  );
});
