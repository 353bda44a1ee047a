/** One container of a pod: its files, its process, and how that ended. */
import { type ChildProcess, spawn, execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { containerScript, type ContainerFiles } from "./container-script.ts";

export type ContainerPlan = Pick<ContainerFiles, "mounts" | "devices" | "user" | "group"> & {
  /** Laid out as `packaging/image/lay-out.sh` does. */
  readonly imageRoot: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** This container's own, on the filesystem of `imageRoot`. */
  readonly folder: string;
};

export type ContainerEnd = { readonly exitCode: number; readonly message: string };

const TERMINATION_BYTES_MAX = 4096;
const LOG_BYTES_MAX = 2048;

export class Container {
  readonly startedAt = new Date().toISOString();
  readonly #child: ChildProcess;
  readonly #terminationLog: string;
  readonly #log: string;
  #end: ContainerEnd | null = null;
  readonly ended: Promise<ContainerEnd>;

  /** Its process is a member of this process's group, and dies with the machine. */
  constructor(plan: ContainerPlan) {
    const { folder, environment, argv } = plan;
    mkdirSync(folder, { recursive: true });
    const root = join(folder, "root");
    rmSync(root, { recursive: true, force: true });
    // Hard links: a container cannot write to them, as its files are mounted read-only.
    execFileSync("cp", ["-al", plan.imageRoot, root]);
    this.#terminationLog = join(folder, "termination-log");
    this.#log = join(folder, "log");
    writeFileSync(this.#terminationLog, "", { mode: 0o666 });
    const script = containerScript({ ...plan, root, terminationLog: this.#terminationLog }, argv);
    const log = openSync(this.#log, "a");
    this.#child = spawn("unshare", ["--mount", "/bin/sh", "-c", script], {
      stdio: ["ignore", log, log],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...environment },
    });
    closeSync(log);
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        const exitCode = code ?? 128 + (signal === "SIGKILL" ? 9 : 15);
        this.#end = { exitCode, message: this.#message(exitCode) };
        resolve(this.#end);
      });
    });
  }

  /** Null while it runs. */
  get end(): ContainerEnd | null {
    return this.#end;
  }

  /** SIGTERM, and SIGKILL after the grace. */
  async stop(graceMs: number): Promise<void> {
    if (this.#end !== null) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** FallbackToLogsOnError. */
  #message(exitCode: number): string {
    const told = readFileSync(this.#terminationLog, "utf8").slice(0, TERMINATION_BYTES_MAX);
    return told !== "" || exitCode === 0
      ? told
      : readFileSync(this.#log, "utf8").slice(-LOG_BYTES_MAX);
  }
}
