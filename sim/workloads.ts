import type { Boot } from "./boot.ts";
import type { World } from "./world.ts";

/** A pod with a volume that only one writer may have. */
export type Pod = {
  readonly volume: string;
  /** Null: waits for the scheduler. */
  nodeName: string | null;
  /** It was moved on the word of a proof, so two writers would be our doing. */
  movedByProof: boolean;
  readonly writers: Writer[];
};

export type Writer = {
  readonly boot: Boot;
  /** Its Node was deleted: somebody else has declared it dead. */
  excused: boolean;
};

/** Pods, their volumes and the scheduler. */
export class Workloads {
  readonly pods: readonly Pod[];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.pods = Array.from({ length: world.schedule.nodes }, (_, index) => ({
      volume: `volume-${index + 1}`,
      nodeName: `worker-${index + 1}`,
      movedByProof: false,
      writers: [],
    }));
  }

  start(pod: Pod, boot: Boot): void {
    if (pod.writers.some((writer) => writer.boot === boot)) {
      return;
    }
    this.#world.invariants.writerStarts(pod, boot);
    pod.writers.push({ boot, excused: false });
  }

  stop(pod: Pod, boot: Boot): void {
    const index = pod.writers.findIndex((writer) => writer.boot === boot);
    if (index !== -1) {
      pod.writers.splice(index, 1);
    }
  }

  /** Deletes the pods of a node whose boot is proven dead, attachments and all. */
  moveByProof(nodeName: string): void {
    for (const pod of this.pods) {
      if (pod.nodeName === nodeName) {
        this.#world.say?.(`${pod.volume} is detached from ${nodeName}`);
        pod.nodeName = null;
        pod.movedByProof = true;
      }
    }
  }

  /** The Node object is gone: its pods are collected as garbage, whoever runs them. */
  moveByNodeDeletion(nodeName: string): void {
    for (const pod of this.pods) {
      if (pod.nodeName === nodeName) {
        pod.nodeName = null;
        for (const writer of pod.writers) {
          writer.excused = true;
        }
      }
    }
  }

  /** Gives every waiting pod a node that is ready and not tainted. */
  schedule(): void {
    const ready = [...this.#world.api.nodes.values()].filter(
      (node) => node.ready && !node.noSchedule && !node.noExecute,
    );
    for (const pod of this.pods) {
      const node = ready[(pod.volume.length + pod.writers.length) % Math.max(1, ready.length)];
      if (pod.nodeName === null && node !== undefined) {
        pod.nodeName = node.name;
      }
    }
  }
}
