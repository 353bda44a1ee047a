import { bounded } from "./bounded.ts";
import type { DiskWrite, SharedDisk } from "./shared-disk.ts";
import { parseWorkloadBlock, workloadBlockBytes } from "./workload-line.ts";
import type { WorkloadLine } from "./workload-line.ts";

/** All that one boot of one guest did to the workload disk. */
export type WorkloadLife = {
  readonly guest: string;
  readonly writer: string;
  readonly bootId: string;
  /** Index of the block it wrote last. */
  readonly block: number;
  readonly writes: number;
  readonly lastSequence: number;
  /** Host monotonic milliseconds of its first and last write. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Longest silence between two of its writes, milliseconds. */
  readonly longestGapMs: number;
};

/** A write that came after one of another boot's to the same block: the data moved, or was torn. */
export type Handover = {
  readonly block: number;
  readonly from: WorkloadLine;
  readonly to: WorkloadLine;
  readonly atMs: number;
};

/**
 * Watches the workload disk from outside, where every write passes: what each boot wrote first and
 * last, and by whom a block changed hands. It cannot be fooled by a guest's own clock or log.
 */
export class Observer {
  readonly handovers: Handover[] = [];
  readonly #lives = new Map<string, WorkloadLife>();
  readonly #blocks = new Map<number, WorkloadLine>();
  readonly #waiting = new Set<(life: WorkloadLife) => void>();

  constructor(workloadDisk: SharedDisk) {
    workloadDisk.onWrite((write) => {
      this.#take(write);
    });
  }

  /** Every boot that has written, in the order of their first writes. */
  get lives(): WorkloadLife[] {
    return [...this.#lives.values()];
  }

  /** What this boot did, or undefined while it has written nothing. */
  life(bootId: string): WorkloadLife | undefined {
    return this.#lives.get(bootId);
  }

  /** This guest's most recent life, as soon as it has written more than `writes` in one boot. */
  async working(guest: string, writes: number, boundMs: number): Promise<WorkloadLife> {
    const now = this.lives.findLast((life) => life.guest === guest && life.writes > writes);
    if (now !== undefined) return now;
    return await this.nextLife(boundMs, `work of ${guest}`, (life) => {
      return life.guest === guest && life.writes > writes;
    });
  }

  /** The first life to which a write makes `wanted` true, from now on. */
  async nextLife(
    boundMs: number,
    what: string,
    wanted: (life: WorkloadLife) => boolean,
  ): Promise<WorkloadLife> {
    let listener: ((life: WorkloadLife) => void) | undefined;
    const coming = new Promise<WorkloadLife>((resolve) => {
      listener = (life) => {
        if (wanted(life)) resolve(life);
      };
      this.#waiting.add(listener);
    });
    try {
      return await bounded(coming, boundMs, what);
    } finally {
      if (listener !== undefined) this.#waiting.delete(listener);
    }
  }

  #take(write: DiskWrite): void {
    const line = parseWorkloadBlock(write.data);
    if (line === undefined) return;
    const block = Math.floor(write.offset / workloadBlockBytes);
    const before = this.#lives.get(line.bootId);
    const life: WorkloadLife = {
      guest: write.port,
      writer: line.writer,
      bootId: line.bootId,
      block,
      writes: (before?.writes ?? 0) + 1,
      lastSequence: line.sequence,
      firstMs: before?.firstMs ?? write.atMs,
      lastMs: write.atMs,
      longestGapMs: Math.max(
        before?.longestGapMs ?? 0,
        before === undefined ? 0 : write.atMs - before.lastMs,
      ),
    };
    this.#lives.set(line.bootId, life);
    const previous = this.#blocks.get(block);
    if (previous !== undefined && previous.bootId !== line.bootId) {
      this.handovers.push({ block, from: previous, to: line, atMs: write.atMs });
    }
    this.#blocks.set(block, line);
    for (const listener of this.#waiting) listener(life);
  }
}
