import type { z } from "zod";
import type { CustomResource } from "./custom-resource.ts";
import { SBD_CONFIG } from "./sbd-config.ts";
import { SBD_NODE } from "./sbd-node.ts";
import { SBD_REMEDIATION_TEMPLATE } from "./sbd-remediation-template.ts";
import { SBD_REMEDIATION } from "./sbd-remediation.ts";

/** Every kind of ours. */
export const CUSTOM_RESOURCES: readonly CustomResource<string, z.ZodType, z.ZodObject>[] = [
  SBD_CONFIG,
  SBD_NODE,
  SBD_REMEDIATION,
  SBD_REMEDIATION_TEMPLATE,
];
