/** What one write of a workload says. */
export type WorkloadLine = {
  readonly writer: string;
  readonly bootId: string;
  /** 1 at the writer's first write, one more at each later one. */
  readonly sequence: number;
};

/** Size of the block that a workload overwrites: a whole page, so that no write needs a read. */
export const workloadBlockBytes = 4096;

/** The block that says so. */
export function workloadBlock(line: WorkloadLine): Buffer {
  const block = Buffer.alloc(workloadBlockBytes);
  block.write(`${line.writer} ${line.bootId} ${line.sequence}\n`);
  return block;
}

/** What a block says, or undefined when nobody has written it. */
export function parseWorkloadBlock(block: Buffer): WorkloadLine | undefined {
  const match = /^(\S+) ([0-9a-f-]{36}) (\d+)\n/.exec(block.toString("latin1", 0, 256));
  if (match === null) return undefined;
  const [, writer = "", bootId = "", sequence = ""] = match;
  return { writer, bootId, sequence: Number(sequence) };
}
