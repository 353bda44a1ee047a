import { z } from "zod";
import { conditions } from "./condition.ts";
import { parseCustomObject } from "./custom-resource.ts";
import type { CustomObject, CustomResource, Parsed } from "./custom-resource.ts";
import {
  atomicListOf,
  count,
  described,
  instant,
  objectName,
  ruled,
  setOf,
  text,
} from "./field.ts";
import { SBD_CONFIG_RULES, SBD_CONFIG_SPEC_RULES } from "./sbd-config-rules.ts";

const toleration = z.object({
  key: described(
    "Taint key; empty with Exists matches every taint.",
    z.string().max(317).optional(),
  ),
  operator: described("Exists or Equal.", z.enum(["Exists", "Equal"]).optional()),
  value: described("Taint value; empty with Exists.", z.string().max(63).optional()),
  effect: described(
    "Taint effect; every effect where left out.",
    z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
  ),
  tolerationSeconds: described("For NoExecute: how long.", z.int().optional()),
});

const devicePath = z
  .string()
  .min(1)
  .max(255)
  .regex(/^\/dev\/[A-Za-z0-9_][A-Za-z0-9_.:-]*(\/[A-Za-z0-9_][A-Za-z0-9_.:-]*)*$/);

const spec = ruled(
  "How the nodes of this cluster are fenced through one shared device.",
  SBD_CONFIG_SPEC_RULES,
  z.object({
    sbdDevicePVCName: described(
      "Name of the PersistentVolumeClaim, in the operator's namespace, of the shared device: a raw block volume, or an RWX filesystem. Cannot be changed.",
      objectName,
    ),
    sbdTimeoutSeconds: described(
      "T: a node that could not read and write the device for so long resets itself. Must exceed the failover time of the storage. Cannot be changed.",
      z.int().min(1),
    ),
    sbdWatchdogPath: described(
      "Watchdog device of the nodes, for example /dev/watchdog. Must lie below /dev.",
      devicePath,
    ),
    nodeExclusionList: setOf(
      "Names of nodes that get no agent and cannot be fenced.",
      5000,
      objectName,
    ).default([]),
    rebootMethod: described(
      "How a node resets itself: panic writes to sysrq at once; systemctl-reboot works only where the kernel keeps the watchdog running over a reboot, and does what panic does elsewhere.",
      z.enum(["panic", "systemctl-reboot"]).default("panic"),
    ),
    sbdDevicePath: described(
      "Where the shared device appears in the agents' containers. Must lie below /dev.",
      devicePath.default("/dev/sbd-watchdog"),
    ),
    watchdogTimeoutSeconds: described(
      "W: the longest time the watchdog may take from its last pet to the reset. Half of sbdTimeoutSeconds, at least 2 and at most 60, where left out. Cannot be changed.",
      z.int().min(1).optional(),
    ),
    onStorageLoss: described(
      "What a node does that loses the device: SelfFence resets it after sbdTimeoutSeconds; SurviveWithApi lets it live while the API server confirms that nobody is fencing it. Cannot be changed.",
      z.enum(["SelfFence", "SurviveWithApi"]).default("SelfFence"),
    ),
    fencerPlacement: described(
      "Who writes fence messages: an Agent named by the operator, or a Deployment of the Operator's that mounts the device.",
      z.enum(["Agent", "Operator"]).default("Agent"),
    ),
    pausableNodes: described(
      "Whether elapsed time proves anything about a virtual machine, which its hypervisor may pause: Accept or Refuse.",
      z.enum(["Accept", "Refuse"]).default("Accept"),
    ),
    acceptUnverifiedWatchdogs: described(
      "Take watchdog drivers at their word whose time to the reset nobody has measured.",
      z.boolean().default(false),
    ),
    detectOnly: described(
      "Agents beat and report but arm no watchdog; no node can be fenced.",
      z.boolean().default(false),
    ),
    startupTaint: described(
      "Keep new pods off a node, by the taint medik8s.io/sbd-unprotected:NoSchedule, until its agent is armed in its current boot, so that no work starts where it cannot be fenced.",
      z.boolean().default(false),
    ),
    nodeSelector: described(
      "Labels of the nodes that get an agent, beside kubernetes.io/os: linux.",
      z.record(z.string(), z.string().max(63)).default({}),
    ),
    tolerations: atomicListOf(
      "Taints the agents tolerate; every taint where left out.",
      64,
      toleration,
    ).optional(),
    image: described(
      "Image of agents and fencers; the one the operator was deployed with (SBD_AGENT_IMAGE) where left out.",
      z.string().min(1).max(1024).optional(),
    ),
    imagePullPolicy: described(
      "When nodes pull the image.",
      z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
    ),
    logLevel: described(
      "What agents and fencers log.",
      z.enum(["debug", "info", "warn", "error"]).default("info"),
    ),
    metricsPort: described(
      "Port of the agents' /metrics. The Service sbd-agent-metrics finds it by the name 'metrics'.",
      z.int().min(1).max(65_535).default(8_080),
    ),
    maxConcurrentFencing: described(
      "How many nodes may be fenced at once; fewer than half of the nodes where left out.",
      z.int().min(1).max(255).optional(),
    ),
  }),
);

const status = described(
  "What the operator last saw.",
  z.object({
    observedGeneration: described("metadata.generation this status is about.", count.optional()),
    message: described("Where things stand, for people.", text.optional()),
    conditions: conditions.optional(),
    lastUpdateTime: described("When this status last changed.", instant.optional()),
    nodes: described("Nodes that this SBDConfig covers.", count.optional()),
    agentsReady: described("Agents that had a good pass lately.", count.optional()),
    agentsArmed: described("Agents that hold an armed watchdog.", count.optional()),
    deviceUUID: described(
      "The initialisation of the device in use.",
      z.string().max(36).optional(),
    ),
    watchdogTimeoutSeconds: described("W in force.", count.optional()),
    boundSeconds: described(
      "M = T + 2W + slack: after a durable fence message an armed node that stays silent is dead no later than this. A NodeHealthCheck's timeout must be longer.",
      z.number().min(0).optional(),
    ),
  }),
);

/** SBDConfig, cluster-wide: the parameters of one shared device and of the nodes on it. */
export const SBD_CONFIG = {
  kind: "SBDConfig",
  plural: "sbdconfigs",
  singular: "sbdconfig",
  shortNames: ["sbdc"],
  categories: ["medik8s", "sbd"],
  scope: "Cluster",
  description: "Cluster-wide parameters of the Storage-Based Death (SBD) fencing mechanism.",
  spec,
  specRequired: true,
  status,
  columns: [
    {
      name: "Timeout",
      type: "integer",
      jsonPath: ".spec.sbdTimeoutSeconds",
      description: "T in s",
    },
    {
      name: "Watchdog",
      type: "integer",
      jsonPath: ".status.watchdogTimeoutSeconds",
      description: "W in s",
    },
    { name: "Bound", type: "number", jsonPath: ".status.boundSeconds", description: "M in s" },
    { name: "Nodes", type: "integer", jsonPath: ".status.nodes", description: "Nodes covered" },
    {
      name: "Armed",
      type: "integer",
      jsonPath: ".status.agentsArmed",
      description: "Agents armed",
    },
    {
      name: "Ready",
      type: "string",
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: "Whether every covered node can be fenced",
    },
    {
      name: "PVC",
      type: "string",
      jsonPath: ".spec.sbdDevicePVCName",
      description: "The shared device",
      priority: 1,
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Age" },
  ],
  rules: SBD_CONFIG_RULES,
} as const satisfies CustomResource<"SBDConfig", typeof spec, typeof status>;

export type SBDConfigSpec = z.output<typeof spec>;
export type SBDConfigStatus = z.output<typeof status>;
export type SBDConfig = CustomObject<"SBDConfig", SBDConfigSpec, SBDConfigStatus>;

/** Parses an SBDConfig as the API server hands it out. */
export function parseSBDConfig(object: unknown): Parsed<SBDConfig> {
  return parseCustomObject(SBD_CONFIG, object);
}
