import { z } from "zod";
import { conditions } from "./condition.ts";
import { parseCustomObject } from "./custom-resource.ts";
import type { CustomObject, CustomResource, Parsed } from "./custom-resource.ts";
import { fencing } from "./fencing-status.ts";
import { bootID, count, described, instant, objectName, ruled, text } from "./field.ts";

/** How a dead node's work is released. */
export const remediationStrategy = described(
  "How the dead node's work is released: OutOfServiceTaint lets Kubernetes delete pods and detach volumes at once; ResourceDeletion deletes the pods; Automatic takes the taint while the Node still shows the dead boot, else deletion; None fences only.",
  z.enum(["Automatic", "OutOfServiceTaint", "ResourceDeletion", "None"]).default("Automatic"),
);

export type RemediationStrategy = z.output<typeof remediationStrategy>;

// No field may be required: NodeHealthCheck copies the template's spec, which cannot name the node,
// and sends `{}` or null where the template says nothing.
const spec = ruled(
  "What is asked for. The node is the annotation remediation.medik8s.io/node-name, else nodeName, else the object's name.",
  [
    {
      rule: "has(self.nodeName) == has(oldSelf.nodeName) && (!has(self.nodeName) || self.nodeName == oldSelf.nodeName)",
      message:
        "nodeName cannot be changed: a fence message may be on the device for the first node already; create another SBDRemediation for the other node",
      reason: "FieldValueForbidden",
    },
  ],
  z.object({
    nodeName: described("The node to be fenced.", objectName.optional()),
    remediationRequestTime: described("When the remediation was requested.", instant.optional()),
    remediationStrategy,
  }),
);

const confirmation = z.object({
  requestUID: described("metadata.uid of this SBDRemediation.", z.string().min(1).max(64)),
  bootID: described("The boot that is off for good.", bootID),
  by: described("Who says so.", z.string().min(1).max(1024)),
  time: described("When it was said.", instant),
});

const status = described(
  "How far the fencing has come.",
  z.object({
    phase: described(
      "Where the request stands.",
      z.enum(["Pending", "FencingInProgress", "FencedSuccessfully", "Failed"]).optional(),
    ),
    message: described("The same in words, or what went wrong.", text.optional()),
    conditions: conditions.optional(),
    lastUpdateTime: described("When this status last changed.", instant.optional()),
    observedGeneration: described("metadata.generation this status is about.", count.optional()),
    nodeName: described("The node this request was found to mean.", objectName.optional()),
    nodeUID: described("UID of that Node.", z.string().max(64).optional()),
    nodeBootID: described(
      "The boot that the Node told when the request was accepted: the one it is about. A boot that is told later is not fenced for it while the Node is Ready.",
      bootID.optional(),
    ),
    fencing: described("What the fencer does and sees.", fencing.optional()),
    confirmation: described(
      "An administrator's word that the node is off (sbdctl confirm-off).",
      confirmation.optional(),
    ),
  }),
);

/** SBDRemediation, namespaced: a request to fence one node. */
export const SBD_REMEDIATION = {
  kind: "SBDRemediation",
  plural: "sbdremediations",
  singular: "sbdremediation",
  shortNames: ["sbdr"],
  categories: ["medik8s", "sbd"],
  scope: "Namespaced",
  description:
    "A request, made by NodeHealthCheck or an administrator, to fence an unhealthy node through the shared device. The operator reports in its status.",
  spec,
  specRequired: false,
  status,
  columns: [
    { name: "Node", type: "string", jsonPath: ".status.nodeName", description: "The node" },
    { name: "Phase", type: "string", jsonPath: ".status.phase", description: "Where it stands" },
    {
      name: "Evidence",
      type: "string",
      jsonPath: ".status.fencing.evidence.kind",
      description: "What proved death",
    },
    {
      name: "Succeeded",
      type: "string",
      jsonPath: '.status.conditions[?(@.type=="Succeeded")].status',
      description: "Fenced, and its work released",
    },
    {
      name: "Fencer",
      type: "string",
      jsonPath: ".status.fencing.agent",
      description: "Who writes the message",
      priority: 1,
    },
    {
      name: "Message",
      type: "string",
      jsonPath: ".status.message",
      description: "In words",
      priority: 1,
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Age" },
  ],
  rules: [],
} as const satisfies CustomResource<"SBDRemediation", typeof spec, typeof status>;

export type SBDRemediationSpec = z.output<typeof spec>;
export type SBDRemediationStatus = z.output<typeof status>;
export type RemediationPhase = NonNullable<SBDRemediationStatus["phase"]>;
export type RemediationConfirmation = z.output<typeof confirmation>;
export type SBDRemediation = CustomObject<
  "SBDRemediation",
  SBDRemediationSpec,
  SBDRemediationStatus
>;

/** Parses an SBDRemediation as the API server hands it out. */
export function parseSBDRemediation(object: unknown): Parsed<SBDRemediation> {
  return parseCustomObject(SBD_REMEDIATION, object);
}
