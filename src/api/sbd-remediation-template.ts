import { z } from "zod";
import { parseCustomObject } from "./custom-resource.ts";
import type { CustomObject, CustomResource, Parsed } from "./custom-resource.ts";
import { described } from "./field.ts";
import { remediationStrategy } from "./sbd-remediation.ts";

// nodeName is left out on purpose: it would aim every failure at one node.
const spec = described(
  "What NodeHealthCheck makes SBDRemediations from.",
  z.object({
    template: described(
      "The SBDRemediation to be made.",
      z
        .object({
          spec: described(
            "Copied into the spec of every SBDRemediation.",
            z.object({ remediationStrategy }).prefault({}),
          ),
        })
        .prefault({}),
    ),
  }),
);

// A template only stands there to be copied: nobody reports about it.
const status = z.object({});

/** SBDRemediationTemplate, namespaced: what NodeHealthCheck copies. */
export const SBD_REMEDIATION_TEMPLATE = {
  kind: "SBDRemediationTemplate",
  plural: "sbdremediationtemplates",
  singular: "sbdremediationtemplate",
  shortNames: ["sbdrt"],
  categories: ["medik8s", "sbd"],
  scope: "Namespaced",
  description:
    "What NodeHealthCheck makes SBDRemediations from, in the namespace of this template. Name it in one NodeHealthCheck's remediationTemplate or escalatingRemediations.",
  spec,
  specRequired: false,
  status,
  columns: [
    {
      name: "Strategy",
      type: "string",
      jsonPath: ".spec.template.spec.remediationStrategy",
      description: "How a dead node's work is released",
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Age" },
  ],
  rules: [],
} as const satisfies CustomResource<"SBDRemediationTemplate", typeof spec, typeof status>;

export type SBDRemediationTemplateSpec = z.output<typeof spec>;
export type SBDRemediationTemplate = CustomObject<
  "SBDRemediationTemplate",
  SBDRemediationTemplateSpec,
  z.output<typeof status>
>;

/** Parses an SBDRemediationTemplate as the API server hands it out. */
export function parseSBDRemediationTemplate(object: unknown): Parsed<SBDRemediationTemplate> {
  return parseCustomObject(SBD_REMEDIATION_TEMPLATE, object);
}
