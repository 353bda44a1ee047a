import type { Boot } from "./boot.ts";
import type { World } from "./world.ts";

/** A volume that only one writer may have. */
export type Volume = {
  readonly name: string;
  /** The pod that owns it: always of this name, and made anew when it is gone. */
  readonly podName: string;
  readonly writers: Writer[];
};

export type Writer = {
  readonly boot: Boot;
  readonly podUID: string;
  /** Its Node was deleted, or an administrator has it replaced: somebody else has declared it dead. */
  excused: boolean;
};

/** The truth about who writes to which volume, whatever the API says. */
export class Workloads {
  readonly volumes: readonly Volume[];
  readonly #world: World;
  readonly #excusedPods = new Set<string>();
  readonly #podsOfDeletedNodes = new Set<string>();
  readonly #excusedNodes = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    this.volumes = Array.from({ length: world.schedule.nodes }, (_, index) => ({
      name: `volume-${index + 1}`,
      podName: `app-${index + 1}`,
      writers: [],
    }));
  }

  start(volume: Volume, boot: Boot, podUID: string): void {
    if (volume.writers.some((writer) => writer.boot === boot && writer.podUID === podUID)) {
      return;
    }
    if (this.#podsOfDeletedNodes.has(podUID)) {
      this.#world.say?.(`${boot.machine.nodeName} starts ${podUID}, whose Node was deleted`);
    } else {
      this.#world.invariants.writerStarts(volume, boot);
    }
    const excused = this.#excusedPods.has(podUID) || this.#excusedNodes.has(boot.machine.nodeName);
    volume.writers.push({ boot, podUID, excused });
  }

  /** Ends the writers of a boot but the pod that is to go on. */
  stop(volume: Volume, boot: Boot, but: string | null): void {
    for (let index = volume.writers.length - 1; index >= 0; index -= 1) {
      const writer = volume.writers[index]!;
      if (writer.boot === boot && writer.podUID !== but) {
        volume.writers.splice(index, 1);
      }
    }
  }

  /** What a boot has mounted. */
  writtenBy(boot: Boot): Volume[] {
    return this.volumes.filter(({ writers }) => writers.some((writer) => writer.boot === boot));
  }

  /** Two kubelets are one Node: each runs its pods, and one confirms the end of what the other runs. */
  excuseForGood(nodeName: string): void {
    this.#excusedNodes.add(nodeName);
  }

  /**
   * Kubernetes itself makes the pods of a deleted Node anew elsewhere, at once and unasked. A kubelet acts on what it
   * read a moment ago, so it may start one of them when its successor writes already: who comes later does not matter.
   */
  nodeDeleted(nodeName: string): void {
    for (const { metadata, spec } of this.#world.api.pods.list()) {
      if (spec?.nodeName === nodeName) {
        this.#podsOfDeletedNodes.add(metadata.uid ?? "");
      }
    }
    this.excuse(nodeName);
  }

  /**
   * The Node's pods are somebody else's doing from here on, as long as they live: also where a kubelet
   * that has seen one only now starts it.
   */
  excuse(nodeName: string): void {
    for (const { metadata, spec } of this.#world.api.pods.list()) {
      if (spec?.nodeName === nodeName) {
        this.#excusedPods.add(metadata.uid ?? "");
      }
    }
    for (const { writers } of this.volumes) {
      for (const writer of writers) {
        writer.excused ||= writer.boot.machine.nodeName === nodeName;
      }
    }
  }
}
