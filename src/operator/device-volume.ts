import type { SBDConfig } from "../api/sbd-config.ts";
import type { VolumeMode } from "./device-claim.ts";

const NAME = "sbd-block-device";

/** The shared device in a pod, at a path: as a block device, or as a directory with the two files. */
export type DeviceVolume = {
  readonly volume: object;
  readonly volumeDevices: readonly object[];
  readonly volumeMounts: readonly object[];
};

export function deviceVolume({ spec }: SBDConfig, mode: VolumeMode, path: string): DeviceVolume {
  const isBlock = mode === "Block";
  return {
    volume: { name: NAME, persistentVolumeClaim: { claimName: spec.sbdDevicePVCName } },
    volumeDevices: isBlock ? [{ name: NAME, devicePath: path }] : [],
    volumeMounts: isBlock ? [] : [{ name: NAME, mountPath: path }],
  };
}
