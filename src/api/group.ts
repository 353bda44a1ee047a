/** API group of all our kinds. */
export const API_GROUP = "medik8s.io";

/** The one version served and stored. */
export const API_VERSION_NAME = "v1alpha1";

/** `apiVersion` of every object of ours. */
export const API_VERSION = `${API_GROUP}/${API_VERSION_NAME}`;

/** Namespace that operator, agents and their PVC live in. */
export const SYSTEM_NAMESPACE = "sbd-system";
