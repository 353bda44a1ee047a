import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "./guest.ts";
import type { GuestHardware } from "./guest.ts";
import type { GuestSettings } from "./guest-settings.ts";
import { Observer } from "./observer.ts";
import type { QemuPackages } from "./qemu-packages.ts";
import { SharedDisk } from "./shared-disk.ts";

/** What one machine of a cluster is to be. */
export type GuestPlan = {
  readonly name: string;
  readonly settings: GuestSettings;
  readonly hardware?: GuestHardware;
};

/** What every cluster of a run has in common. */
export type ClusterParts = { readonly packages: QemuPackages; readonly initramfs: string };

const SBD_DISK_BYTES = 4 << 20;
const WORKLOAD_DISK_BYTES = 1 << 20;
const BOOT_BOUND_MS = 90_000;

/** Some guests on one SBD disk and one workload disk, and the observer of the latter. */
export class Cluster {
  /** Consoles, images and QEMU's own complaints lie here. */
  readonly folder: string;
  /** /dev/sbd-watchdog of every guest, 4 MiB, all zero at the start. */
  readonly sbdDisk: SharedDisk;
  /** Logical block size of guests' /dev/sbd-watchdog, for those that start from now on. */
  sbdBlockBytes: 512 | 4096 = 512;
  /** /dev/workload of every guest. */
  readonly workloadDisk: SharedDisk;
  readonly observer: Observer;
  readonly #parts: ClusterParts;
  readonly #guests = new Map<string, Guest>();
  readonly #starting: Promise<Guest>[] = [];
  readonly #endings: (() => Promise<void> | void)[] = [];
  #end: Promise<void> | undefined;

  constructor(parts: ClusterParts, folder: string) {
    this.folder = folder;
    this.#parts = parts;
    mkdirSync(folder, { recursive: true });
    this.sbdDisk = new SharedDisk(join(folder, "sbd.img"), SBD_DISK_BYTES);
    this.workloadDisk = new SharedDisk(join(folder, "workload.img"), WORKLOAD_DISK_BYTES);
    this.observer = new Observer(this.workloadDisk);
  }

  get guests(): Guest[] {
    return [...this.#guests.values()];
  }

  /** The guest of that name; throws when there is none. */
  guest(name: string): Guest {
    const guest = this.#guests.get(name);
    if (guest === undefined) throw new Error(`This cluster has no guest '${name}'.`);
    return guest;
  }

  /** Starts these guests beside each other and waits until all are up. */
  async start(plans: readonly GuestPlan[]): Promise<void> {
    const started = await Promise.allSettled(
      plans.map(async (plan) => {
        if (this.#end !== undefined) throw new Error("This cluster has been stopped.");
        const starting = Guest.start({
          name: plan.name,
          machineId: machineIdOf(plan.name),
          settings: plan.settings,
          packages: this.#parts.packages,
          initramfs: this.#parts.initramfs,
          folder: this.folder,
          sbdDisk: this.sbdDisk,
          sbdBlockBytes: this.sbdBlockBytes,
          workloadDisk: this.workloadDisk,
          ...(plan.hardware === undefined ? {} : { hardware: plan.hardware }),
        });
        this.#starting.push(starting);
        const guest = await starting;
        this.#guests.set(plan.name, guest);
        await guest.booted(0, BOOT_BOUND_MS);
      }),
    );
    const failure = started.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  }

  /** Has `ending` called when the cluster stops, before any guest goes. */
  onStop(ending: () => Promise<void> | void): void {
    this.#endings.push(ending);
  }

  /** Cuts every guest's power and closes the disks; the folder stays. May be called twice. */
  async stop(): Promise<void> {
    this.#end ??= this.#stop();
    await this.#end;
  }

  async #stop(): Promise<void> {
    // Whatever they come to, the guests must go.
    await Promise.allSettled(
      this.#endings.map(async (ending) => {
        await ending();
      }),
    );
    // Also those that a scenario out of time was only just starting.
    const started = await Promise.allSettled(this.#starting);
    await Promise.all(
      started.map(async (result) => {
        if (result.status === "fulfilled") await result.value.cutPower();
      }),
    );
    this.sbdDisk.close();
    this.workloadDisk.close();
  }
}

/** Stable for a guest's name, so that a machine keeps its identity when its power comes back. */
function machineIdOf(name: string): string {
  const digits = createHash("sha256").update(name).digest("hex").slice(0, 12);
  return `5bd00000-0000-4000-8000-${digits}`;
}
