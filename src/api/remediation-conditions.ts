/** Message of `FencingSucceeded=True`, as the blueprint words it. */
export const FENCING_SUCCEEDED_MESSAGE = "Node successfully fenced via SBD.";

/** Message of `Ready=True` with reason Succeeded, as the blueprint words it. */
export const READY_SUCCEEDED_MESSAGE = "Fencing completed successfully.";
