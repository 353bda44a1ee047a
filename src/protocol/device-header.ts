import type { ProtocolErrorCode } from "./error.ts";

/** What an agent does when the device is lost: die within the bound, or live while the API vouches. */
export type OnStorageLoss = "SelfFence" | "SurviveWithApi";

/** Slot 0 of the device: whose it is, and the contract that everybody on it lives by. */
export type DeviceHeader = {
  readonly formatVersion: number;
  /** Identity of this initialisation of the device, a lower-case UUID with dashes. */
  readonly deviceUUID: string;
  /** 1 at the first initialisation, one more at each later one. */
  readonly generation: number;
  /** Distance from slot to slot in bytes: max(512, logical block size) at initialisation. */
  readonly strideBytes: number;
  /** UID of the SBDConfig that owns the device; the nil UUID where there is none. */
  readonly configUID: string;
  /** UID of the kube-system namespace; the nil UUID where there is none. */
  readonly clusterUID: string;
  /** For people, at most 63 bytes of UTF-8; may be empty. */
  readonly clusterName: string;
  /** T. */
  readonly timeoutMs: number;
  /** W. */
  readonly watchdogMs: number;
  readonly onStorageLoss: OnStorageLoss;
  /** Wall clock, Unix nanoseconds. */
  readonly createdNs: bigint;
};

/** Everything slot 0 can hold. */
export type HeaderSlot =
  | { readonly kind: "empty" }
  | { readonly kind: "header"; readonly header: DeviceHeader }
  | { readonly kind: "unreadable"; readonly code: ProtocolErrorCode; readonly detail: string };
