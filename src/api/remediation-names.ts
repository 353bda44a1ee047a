import { API_GROUP } from "./group.ts";

/** On every SBDRemediation of NodeHealthCheck's: the node it is about. */
export const NODE_NAME_ANNOTATION = "remediation.medik8s.io/node-name";

/** On every SBDRemediation of NodeHealthCheck's: the template it was made from. */
export const TEMPLATE_NAME_ANNOTATION = "remediation.medik8s.io/template-name";

/** Set by NodeHealthCheck once it waits no longer, with the instant. */
export const TIMED_OUT_ANNOTATION = "remediation.medik8s.io/nhc-timed-out";

/** On a template: NodeHealthCheck generates the names of what it makes, `<node>-…`. */
export const MULTIPLE_TEMPLATES_ANNOTATION = "remediation.medik8s.io/multiple-templates-support";

/** On a Node, "true": it is not to be remediated. */
export const EXCLUDE_LABEL = "remediation.medik8s.io/exclude-from-remediation";

/** On an SBDRemediation whose message may be on a device. */
export const REMEDIATION_FINALIZER = `${API_GROUP}/sbd-remediation`;

/** On an SBDConfig for which something may still run or stand: agents, SBDNodes, conditions. */
export const CONFIG_FINALIZER = `${API_GROUP}/sbd-config`;

/** On an SBDNode whose slot is not free yet. */
export const NODE_SLOT_FINALIZER = `${API_GROUP}/sbd-node`;

/** On a Node that is being fenced: NoSchedule first, NoExecute before silence may prove death. */
export const REMEDIATION_TAINT_KEY = `${API_GROUP}/sbd-remediation`;

/** On a Node whose agent is not armed in its current boot, where the SBDConfig has startupTaint. */
export const UNPROTECTED_TAINT = {
  key: `${API_GROUP}/sbd-unprotected`,
  effect: "NoSchedule",
} as const;

/** Kubernetes' own taint: delete pods and detach volumes of a node that is off. */
export const OUT_OF_SERVICE_TAINT = {
  key: "node.kubernetes.io/out-of-service",
  value: "nodeshutdown",
  effect: "NoExecute",
} as const;

/** Node condition: the node's own agent, or its peers, report trouble with the shared device. */
export const STORAGE_UNHEALTHY_CONDITION = "SBDStorageUnhealthy";
