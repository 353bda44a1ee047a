import { spawn, type ChildProcess } from "node:child_process";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

/** The launcher, as an administrator runs it. */
export const SBDCTL = fileURLToPath(new URL("../../../bin/sbdctl", import.meta.url));

export type Finished = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** A running sbdctl, in a process group of its own, killed with the test. */
export type Running = {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when standard error has shown the text. Rejects when the program ends without. */
  said(text: string): Promise<void>;
};

export function startSbdctl(
  context: TestContext,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Running {
  return startGroup(context, SBDCTL, args, environment);
}

/** The same on a terminal of its own; everything it says is on `said` and in `stdout`. */
export function startOnTerminal(
  context: TestContext,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Running {
  const command = [SBDCTL, ...args].map((word) => `'${word}'`).join(" ");
  return startGroup(
    context,
    "script",
    ["--quiet", "--return", "--command", command, "/dev/null"],
    environment,
  );
}

/** A test knows the cluster that it means: whoever runs it may have one of their own. */
const NO_CLUSTER = { KUBECONFIG: "", HOME: "/nowhere" };

function startGroup(
  context: TestContext,
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Running {
  const env = { ...process.env, ...NO_CLUSTER, ...environment };
  const child = spawn(program, args, { env, detached: true });
  context.after(() => killGroup(child));
  let stdout = "";
  let stderr = "";
  const waiting = new Set<() => void>();
  const heard = (): void => {
    for (const look of waiting) look();
  };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    heard();
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
    heard();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    child,
    finished,
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if ((stdout + stderr).includes(text)) {
            waiting.delete(look);
            resolve();
          }
        };
        waiting.add(look);
        void finished.then(() => {
          look();
          reject(new Error(`It ended without saying '${text}': ${stdout}${stderr}`));
          return null;
        }, reject);
        look();
      }),
  };
}

/** Runs it to its end. */
export function sbdctl(
  context: TestContext,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return startSbdctl(context, args, environment).finished;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
