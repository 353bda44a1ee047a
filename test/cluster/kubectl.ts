import { spawn } from "node:child_process";
import { dirname } from "node:path";

import { bounded } from "../vm/bounded.ts";

/** What an administrator types, and what comes of it. */
export class Kubectl {
  readonly #program: string;
  readonly #kubeconfig: string;

  constructor(program: string, kubeconfig: string) {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
  }

  /** What it printed on both outputs; throws when it fails. `input` is a manifest for `-f -`. */
  async run(args: readonly string[], input = "", boundMs = 120_000): Promise<string> {
    const child = spawn(this.#program, [...args], {
      env: {
        PATH: process.env["PATH"],
        HOME: dirname(this.#kubeconfig),
        KUBECONFIG: this.#kubeconfig,
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        output += text;
      });
    }
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    child.stdin.end(input);
    const words = `kubectl ${args.join(" ")}`;
    try {
      const status = await bounded(ended, boundMs, `'${words}'`);
      if (status !== 0) throw new Error(`'${words}' failed (${status}): ${output.trim()}`);
      return output;
    } finally {
      child.kill("SIGKILL");
    }
  }

  /** Applies objects. */
  async apply(...objects: readonly object[]): Promise<string> {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    return await this.run(["apply", "-f", "-"], JSON.stringify(list));
  }
}
