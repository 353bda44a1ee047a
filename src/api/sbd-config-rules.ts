import {
  TIMEOUT_MS_MAX,
  TIMEOUT_MS_MIN,
  WATCHDOG_MS_MAX,
  WATCHDOG_MS_MIN,
} from "../timing/contract.ts";
import type { ValidationRule } from "./field.ts";

const T_MIN = TIMEOUT_MS_MIN / 1_000;
const T_MAX = TIMEOUT_MS_MAX / 1_000;
const W_MIN = WATCHDOG_MS_MIN / 1_000;
const W_MAX = WATCHDOG_MS_MAX / 1_000;

/** Longest SBDConfig name: `sbd-fencer-<name>` with a pod's suffix still is a DNS label. */
export const CONFIG_NAME_LENGTH_MAX = 40;

/** CEL for W: what the administrator gave, else what `defaultWatchdogMs` gives. */
const W =
  "(has(self.watchdogTimeoutSeconds) ? self.watchdogTimeoutSeconds : " +
  `((self.sbdTimeoutSeconds + 1) / 2 > 60 ? 60 : ((self.sbdTimeoutSeconds + 1) / 2 < ${W_MIN} ? ${W_MIN} : (self.sbdTimeoutSeconds + 1) / 2)))`;

// Not string(…) + …: kube-apiserver bounds no text made from a number, and refuses what it calls too costly.
function withBound(text: string): string {
  return (
    `'${text} (M = T + 2W + slack: T = %d s, W = %d s, T + 2W = %d s)'.format(` +
    `[self.sbdTimeoutSeconds, ${W}, self.sbdTimeoutSeconds + 2 * ${W}])`
  );
}

const T_MESSAGE = `sbdTimeoutSeconds must be ${T_MIN} to ${T_MAX}: below, a short stall of the storage kills nodes, above, no fencing ends in time`;
const W_MESSAGE = `watchdogTimeoutSeconds must be ${W_MIN} to ${W_MAX}: watchdogs count whole seconds and are petted four times in each timeout`;

/**
 * What is refused of the timing contract, in the API server. `timing/contract.ts` derives every
 * bound and refuses the same numbers; M itself is derived, so that no configuration can set it too
 * short.
 */
const TIMING_RULES: readonly ValidationRule[] = [
  {
    rule: `self.sbdTimeoutSeconds >= ${T_MIN} && self.sbdTimeoutSeconds <= ${T_MAX}`,
    message: T_MESSAGE,
    messageExpression: withBound(T_MESSAGE),
    fieldPath: ".sbdTimeoutSeconds",
  },
  {
    rule:
      `!has(self.watchdogTimeoutSeconds) || (self.watchdogTimeoutSeconds >= ${W_MIN} && ` +
      `self.watchdogTimeoutSeconds <= ${W_MAX})`,
    message: W_MESSAGE,
    messageExpression: withBound(W_MESSAGE),
    fieldPath: ".watchdogTimeoutSeconds",
  },
];

function unchangeable(field: string, optional: "optional" | "required"): ValidationRule {
  const same = `self.${field} == oldSelf.${field}`;
  return {
    rule:
      optional === "required"
        ? same
        : `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || ${same})`,
    message: `${field} stands in the device header and agents live by it, so it cannot be changed: delete this SBDConfig, wait until its SBDNodes are gone, then create it with the new value`,
    reason: "FieldValueForbidden",
  };
}

/** Rules over `SBDConfig.spec`. */
export const SBD_CONFIG_SPEC_RULES: readonly ValidationRule[] = [
  ...TIMING_RULES,
  {
    rule: "self.sbdDevicePath != self.sbdWatchdogPath",
    message:
      "sbdDevicePath and sbdWatchdogPath must differ: the shared disk would hide the watchdog, and no node could be armed",
    fieldPath: ".sbdDevicePath",
  },
  unchangeable("sbdDevicePVCName", "required"),
  unchangeable("sbdTimeoutSeconds", "required"),
  unchangeable("watchdogTimeoutSeconds", "optional"),
  unchangeable("onStorageLoss", "required"),
];

/** Rules over the whole SBDConfig. */
export const SBD_CONFIG_RULES: readonly ValidationRule[] = [
  {
    rule: `self.metadata.name.size() <= ${CONFIG_NAME_LENGTH_MAX}`,
    message: `an SBDConfig's name may have at most ${CONFIG_NAME_LENGTH_MAX} characters: DaemonSet, Deployment and SBDNodes are named after it`,
  },
];
