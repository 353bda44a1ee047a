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
    this.#world.invariants.writerStarts(volume, boot);
    volume.writers.push({ boot, podUID, excused: false });
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

  /** Two writers are somebody else's doing from here on, as long as these live. */
  excuse(isMeant: (boot: Boot) => boolean): void {
    for (const { writers } of this.volumes) {
      for (const writer of writers) {
        writer.excused ||= isMeant(writer.boot);
      }
    }
  }
}
