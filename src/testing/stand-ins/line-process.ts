import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A child that talks in lines of JSON. */
export type LineProcess = {
  readonly pid: number;
  send(message: unknown): void;
  /** The next line it prints. @throws {Error} when it ended without one. */
  next(): Promise<unknown>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
};

/** Runs a TypeScript program with this Node. */
export function runLineProcess(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): LineProcess {
  const child = spawn(process.execPath, argv, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`Cannot start ${argv.join(" ")}`);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid,
    send: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    async next() {
      const line = await lines.next();
      if (line.done === true) throw new Error(`${argv.join(" ")} ended without a line`);
      return JSON.parse(line.value) as unknown;
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
