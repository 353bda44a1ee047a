import { z } from "zod";
import { conditions } from "./condition.ts";
import { parseCustomObject } from "./custom-resource.ts";
import type { CustomObject, CustomResource, Parsed } from "./custom-resource.ts";
import {
  bootID,
  count,
  described,
  instant,
  machineID,
  mapListOf,
  nodeID,
  objectName,
  ruled,
  text,
} from "./field.ts";
import { evidence } from "./fencing-status.ts";
import { CONFIG_NAME_LENGTH_MAX } from "./sbd-config-rules.ts";

const spec = ruled(
  "Who holds which slot. Cannot be changed.",
  [
    {
      rule: "self == oldSelf",
      message:
        "an SBDNode's spec cannot be changed: another node in this slot would be fenced in place of the first; delete the SBDNode and let the operator give the slot out anew",
      reason: "FieldValueForbidden",
    },
  ],
  z.object({
    configName: described(
      "The SBDConfig whose device the slot is on.",
      z.string().min(1).max(CONFIG_NAME_LENGTH_MAX),
    ),
    nodeName: described("The Node that holds the slot.", objectName),
    nodeID: described("The slot, 1 to 255.", nodeID),
  }),
);

const watchdog = z.object({
  path: described("Device path on the node.", z.string().max(255).optional()),
  identity: described("What the driver calls itself.", z.string().max(64).optional()),
  driver: described("Kernel driver, where sysfs tells it.", z.string().max(64).optional()),
  timeoutSeconds: described("What the driver reports.", count.optional()),
  effectiveTimeoutSeconds: described(
    "The longest it may take to reset the machine: W must not be less.",
    z.number().min(0).optional(),
  ),
  verified: described(
    "The time to the reset is known: the driver is on the verified list, or was tested on this node.",
    z.boolean().optional(),
  ),
  refusal: described("Why it cannot be armed, and what to do.", text.optional()),
});

const watchdogTest = z.object({
  nodeID: described("Slot of the node under test.", nodeID),
  bootID: described("Boot under test.", bootID),
  machineID: described("Machine under test.", machineID.optional()),
  identity: described("Watchdog under test.", z.string().max(64).optional()),
  setTimeoutSeconds: described("The timeout that was set.", count),
  measuredSeconds: described(
    "Seconds from the last pet to the last heartbeat seen.",
    z.number().min(0),
  ),
  time: described("When the node fell silent.", instant),
});

const staleSlot = z.object({
  nodeID: described("The slot that was watched.", nodeID),
  content: described(
    "What it holds: Empty, a Heartbeat of ours, a GoHeartbeat, or nothing Readable.",
    z.enum(["Empty", "Heartbeat", "GoHeartbeat", "Unreadable"]),
  ),
  bootID: described("The boot that wrote it.", bootID.optional()),
  stillSeconds: described(
    "How long it has not changed under this agent's eyes.",
    z.number().min(0),
  ),
  time: described("When this was last seen.", instant),
});

const slotTask = z.object({
  id: described("Names this task; a result repeats it.", z.string().min(1).max(64)),
  kind: described(
    "Clear a fence message nobody needs any more, or Repair a fence slot that cannot be read.",
    z.enum(["Clear", "Repair"]),
  ),
  agent: described("Node whose agent is to do it.", objectName),
  requestedTime: described("When the operator asked.", instant),
});

const slotTaskResult = z.object({
  id: described("The task.", z.string().min(1).max(64)),
  nodeID: described("The slot.", nodeID),
  state: described(
    "Done, Refused (not safe now) or Failed.",
    z.enum(["Done", "Refused", "Failed"]),
  ),
  reason: described("Why not.", text.optional()),
  time: described("When it ended.", instant),
});

const contract = z.object({
  sbdTimeoutSeconds: described("T.", z.number().min(0)),
  watchdogTimeoutSeconds: described("W.", z.number().min(0)),
  onStorageLoss: described(
    "What the node does that loses the device.",
    z.enum(["SelfFence", "SurviveWithApi"]),
  ),
  configUID: described("UID of the SBDConfig whose device it is.", z.string().max(36)),
  clusterUID: described(
    "UID of the namespace kube-system of the cluster whose device it is.",
    z.string().max(36),
  ),
});

const pastFencing = z.object({
  requestUID: described("metadata.uid of the SBDRemediation.", z.string().min(1).max(64)),
  requestNamespace: described("Its namespace.", objectName),
  requestName: described("Its name.", objectName),
  requestedTime: described("When it was asked for.", instant.optional()),
  outcome: described(
    "Proven: dead, its work not yet released. Released: dead, its work may run elsewhere. Failed: not proven.",
    z.enum(["Proven", "Released", "Failed"]),
  ),
  finishedTime: described("When its work was released, or the request failed.", instant.optional()),
  noExecuteTime: described("Since when NoExecute kept pods off the node.", instant.optional()),
  fencer: described("Who wrote and watched.", z.string().max(253)),
  epoch: described("Number of the fence message.", count.optional()),
  bootID: described("The boot it was addressed to.", bootID.optional()),
  machineID: described("The machine it was addressed to.", machineID.optional()),
  messageDurableTime: described("When the message was read back.", instant.optional()),
  boundSeconds: described("M of the request.", z.number().min(0).optional()),
  evidence: described("What proved death.", evidence.optional()),
  confirmedBy: described("With ManuallyConfirmed: who said so.", z.string().max(1024).optional()),
  message: described("Where it ended, in words.", text.optional()),
});

const unhealthyPeer = z.object({
  nodeID: described("The peer's slot.", nodeID),
  nodeName: described("The peer's node.", objectName.optional()),
  since: described("When it was last seen moving.", instant.optional()),
});

const status = described(
  "What the node's agent last reported; slotTask, fencings and conditions are the operator's.",
  z.object({
    bootID: described("The running boot.", bootID.optional()),
    machineID: described("The machine.", machineID.optional()),
    startID: described("The running agent start.", z.string().max(64).optional()),
    agentVersion: described("The agent's version.", z.string().max(64).optional()),
    deviceUUID: described("The device the agent works on.", z.string().max(36).optional()),
    contract: described(
      "What the header of that device says: the contract in force, whatever the SBDConfig says.",
      contract.optional(),
    ),
    watchdog: described("The node's watchdog.", watchdog.optional()),
    armed: described(
      "The watchdog is open and would reset the machine within W.",
      z.boolean().optional(),
    ),
    detectOnly: described("The agent never resets its node.", z.boolean().optional()),
    leaving: described("The agent is about to release the watchdog.", z.boolean().optional()),
    fenced: described(
      "This boot obeys a fence message and is about to end.",
      z.boolean().optional(),
    ),
    lastPassTime: described("When the last good pass started.", instant.optional()),
    passLatencyMilliseconds: described("How long it took.", count.optional()),
    fenceSlotUnreadableSince: described(
      "Since when the agent cannot read its own fence slot; the operator has it repaired.",
      instant.optional(),
    ),
    movingPeers: described("Peers whose heartbeats move.", count.optional()),
    unhealthyPeers: mapListOf(
      "Peers whose heartbeats stopped moving.",
      255,
      ["nodeID"],
      unhealthyPeer,
    ).optional(),
    lastVouchTime: described(
      "Set before each consistent read of the API that may stand in for a pass (SurviveWithApi).",
      instant.optional(),
    ),
    staleSlots: mapListOf(
      "Slots this agent has watched and seen still.",
      255,
      ["nodeID"],
      staleSlot,
    ).optional(),
    watchdogTests: mapListOf(
      "Watchdogs of peers this agent saw fire in a test.",
      255,
      ["nodeID"],
      watchdogTest,
    ).optional(),
    slotTask: described(
      "What is to be done to this node's slot, and by whom.",
      slotTask.optional(),
    ),
    slotTaskResults: mapListOf(
      "What this agent has done to slots, its own or others.",
      255,
      ["id"],
      slotTaskResult,
    ).optional(),
    fencings: mapListOf(
      "The last fencings of the node, newest first; kept by the operator for sbdctl report.",
      5,
      ["requestUID"],
      pastFencing,
    ).optional(),
    message: described("What troubles this agent, for people.", text.optional()),
    conditions: conditions.optional(),
  }),
);

/** SBDNode, cluster-wide: one slot on the device and the node that holds it. */
export const SBD_NODE = {
  kind: "SBDNode",
  plural: "sbdnodes",
  singular: "sbdnode",
  shortNames: ["sbdn"],
  categories: ["medik8s", "sbd"],
  scope: "Cluster",
  description:
    "A slot on the shared device and the node that holds it. Made by the operator; its status is the agent's.",
  spec,
  specRequired: true,
  status,
  columns: [
    { name: "Node", type: "string", jsonPath: ".spec.nodeName", description: "The node" },
    { name: "Slot", type: "integer", jsonPath: ".spec.nodeID", description: "Its slot" },
    { name: "Armed", type: "boolean", jsonPath: ".status.armed", description: "Watchdog armed" },
    {
      name: "Watchdog",
      type: "string",
      jsonPath: ".status.watchdog.identity",
      description: "Its watchdog",
    },
    {
      name: "Last Pass",
      type: "date",
      jsonPath: ".status.lastPassTime",
      description: "Last good pass",
    },
    {
      name: "Latency",
      type: "integer",
      jsonPath: ".status.passLatencyMilliseconds",
      description: "Pass latency in ms",
    },
    {
      name: "Config",
      type: "string",
      jsonPath: ".spec.configName",
      description: "Its SBDConfig",
      priority: 1,
    },
    {
      name: "Boot",
      type: "string",
      jsonPath: ".status.bootID",
      description: "Its boot",
      priority: 1,
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Age" },
  ],
  rules: [
    {
      rule: "self.metadata.name == '%s-%d'.format([self.spec.configName, self.spec.nodeID])",
      message:
        "an SBDNode must be named <configName>-<nodeID>: the name is what keeps two nodes out of one slot",
    },
  ],
} as const satisfies CustomResource<"SBDNode", typeof spec, typeof status>;

export type SBDNodeSpec = z.output<typeof spec>;
export type SBDNodeStatus = z.output<typeof status>;
/** One fencing of the node, as it is kept after its request is gone. */
export type PastFencing = z.output<typeof pastFencing>;
export type SBDNode = CustomObject<"SBDNode", SBDNodeSpec, SBDNodeStatus>;

/** Parses an SBDNode as the API server hands it out. */
export function parseSBDNode(object: unknown): Parsed<SBDNode> {
  return parseCustomObject(SBD_NODE, object);
}

/** Name of the SBDNode for a slot: `<config>-<nodeID>`. */
export function sbdNodeName(configName: string, nodeID: number): string {
  return `${configName}-${nodeID}`;
}
