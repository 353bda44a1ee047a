import { API_VERSION } from "../api/group.ts";

/** An SBDConfig on claim `sbd-device` and /dev/watchdog, as an administrator would write it. */
export function sbdConfigObject(name: string, spec: Readonly<Record<string, unknown>>): object {
  return {
    apiVersion: API_VERSION,
    kind: "SBDConfig",
    metadata: { name },
    spec: { sbdDevicePVCName: "sbd-device", sbdWatchdogPath: "/dev/watchdog", ...spec },
  };
}
