import type { Acknowledgement, BootSighting } from "../observation/boot-sighting.ts";
import type { Sightings, SlotSighting } from "../observation/sightings.ts";
import type { FenceRecord } from "../protocol/fence-record.ts";
import type { Timing } from "../timing/contract.ts";
import type { ManualConfirmation, NodeReading } from "./authority.ts";

/** Everything the rows of the evidence table may look at, for one request and one message. */
export type FenceCase = {
  /** The fencer's unslewed clock. */
  readonly nowMs: number;
  readonly target: FenceTarget;
  readonly request: {
    readonly uid: string;
    readonly finalizerMs: number;
    /** Epochs of the messages that speak for it. */
    readonly epochs: readonly number[];
  };
  readonly message: StandingMessage;
  /** By the larger T and W of the header's and the target's last heartbeat's. */
  readonly timing: Timing;
  readonly sightings: Sightings;
  readonly node: NodeKnowledge | null;
  readonly confirmation: ManualConfirmation | null;
  /** Null: nobody answers for the cluster. */
  readonly cluster: { readonly pausableNodes: "Accept" | "Refuse" } | null;
};

export type FenceTarget = { readonly nodeName: string; readonly nodeID: number };

/** A fence message that this fencer has read on the device. */
export type StandingMessage = {
  readonly record: FenceRecord;
  /** When its first attempt was submitted; null for one that another fencer wrote. */
  readonly submittedMs: number | null;
  /** When it was read back, or first seen by a fencer that takes over. */
  readonly durableMs: number;
};

/** What the cluster has told about the Node so far. */
export type NodeKnowledge = {
  /** UID at the first reading. */
  readonly nodeUID: string | null;
  readonly last: NodeReading;
  /** Every boot that the kubelet has told. */
  readonly told: ReadonlyMap<string, ToldBoot>;
  /** End of the first of the unbroken readings that show NoExecute; null = not standing. */
  readonly taintedMs: number | null;
};

/** One boot that the kubelet has told. */
export type ToldBoot = {
  /** Start of the first reading that showed it. */
  readonly firstMs: number;
  /** Start of the last one. */
  readonly lastMs: number;
  /** Of the machine that it runs on, as `NodeReading` has them. */
  readonly machineIDs: readonly string[];
};

/** Times count from the later of the message being durable and the request's own finalizer. */
export function countFromMs({ message, request }: FenceCase): number {
  return countsFromMs(message.record, message.durableMs, request);
}

/**
 * A message that was written for the request came after its finalizer, whenever this fencer has heard
 * of that: one that takes over has heard late.
 */
export function countsFromMs(
  record: FenceRecord,
  durableMs: number,
  request: { readonly uid: string; readonly finalizerMs: number },
): number {
  return record.requestUID === request.uid ? durableMs : Math.max(durableMs, request.finalizerMs);
}

export function targetSlot(fence: FenceCase): SlotSighting | undefined {
  return fence.sightings.heartbeats.get(fence.target.nodeID);
}

/** The boot the message is addressed to, as far as this fencer has seen it in its slot. */
export function addressedBoot(fence: FenceCase): BootSighting | undefined {
  return targetSlot(fence)?.boots.find(
    (boot) => boot.record.bootID === fence.message.record.targetBootID,
  );
}

/** Other boots of the same node name and machine in the target's slot. */
export function otherBoots(fence: FenceCase): readonly BootSighting[] {
  const { targetBootID, targetMachineID } = fence.message.record;
  return (targetSlot(fence)?.boots ?? []).filter(
    ({ record }) =>
      record.bootID !== targetBootID &&
      record.nodeName === fence.target.nodeName &&
      record.machineID === targetMachineID,
  );
}

/**
 * Its beginning lies after the message, by its uptime; which alone proves nothing where machines may be
 * paused, since it stands still meanwhile. Bounds that contradict each other rest on something that is
 * not so.
 */
export function beganAfterMessage(
  fence: FenceCase,
  { bootMinMs, bootMaxMs }: BootSighting,
): boolean {
  return bootMinMs > countFromMs(fence) && bootMinMs <= bootMaxMs;
}

/**
 * The target's machine is virtual, or no record tells that it is not. Then its ID is not one machine's:
 * a hypervisor may start it a second time while it runs, so another boot says nothing of the first.
 */
export function isVirtual(fence: FenceCase): boolean {
  const addressed = addressedBoot(fence);
  const known = [...(addressed === undefined ? [] : [addressed]), ...otherBoots(fence)];
  return known.length === 0 || known.some(({ record }) => record.virtual);
}

/**
 * The addressed boot's own word that it obeys a message, where it speaks for this request: the
 * message was written for it or after its finalizer, or the acknowledgement came after that.
 */
export function acknowledgementFor(fence: FenceCase): Acknowledgement | null {
  const { message, request } = fence;
  const acknowledgement = addressedBoot(fence)?.acknowledgement ?? null;
  if (acknowledgement === null) {
    return null;
  }
  const cameAfterIt =
    acknowledgement.epoch === message.record.epoch &&
    acknowledgement.notBeforeMs !== null &&
    acknowledgement.notBeforeMs >= request.finalizerMs;
  return cameAfterIt || request.epochs.includes(acknowledgement.epoch) ? acknowledgement : null;
}
