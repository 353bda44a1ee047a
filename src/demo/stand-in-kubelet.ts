/**
 * A stand-in for the kubelet of one virtual node: tells the control plane which boot it is, and runs
 * what it is told to, once it has been told in this boot. Cut off, it keeps running what it runs, as
 * kubelets do.
 *
 *     node stand-in-kubelet.ts <control-plane socket> <node name> <boot ID>
 */
import { type ChildProcess, spawn } from "node:child_process";
import net from "node:net";

import { readLines } from "../agent/shell/line-socket.ts";

/** What it tells. */
export type KubeletReport = { readonly nodeName: string; readonly bootID: string };
/** What it is told: the whole of what it is to run. */
export type KubeletOrders = { readonly run: readonly KubeletWorkload[] };
export type KubeletWorkload = { readonly name: string; readonly argv: readonly string[] };

const REPORT_EVERY_MS = 250;

function main(socketPath: string, nodeName: string, bootID: string): void {
  const running = new Map<string, ChildProcess>();
  let socket: net.Socket | null = null;

  function connect(): void {
    const attempt = net.connect(socketPath);
    attempt.on("connect", () => {
      socket = attempt;
      readLines(
        attempt,
        (orders) => obey(orders as KubeletOrders),
        () => undefined,
      );
    });
    attempt.on("error", () => undefined);
    attempt.on("close", () => {
      socket = null;
      setTimeout(connect, REPORT_EVERY_MS);
    });
  }
  function obey({ run }: KubeletOrders): void {
    for (const { name, argv } of run) {
      if (!running.has(name)) {
        const [command = "", ...args] = argv;
        running.set(name, spawn(command, [...args, bootID], { stdio: "ignore" }));
      }
    }
    for (const [name, child] of running) {
      if (!run.some((workload) => workload.name === name)) {
        child.kill("SIGKILL");
        running.delete(name);
      }
    }
  }
  function report(): void {
    socket?.write(`${JSON.stringify({ nodeName, bootID } satisfies KubeletReport)}\n`);
  }

  connect();
  setInterval(report, REPORT_EVERY_MS);
}

if (import.meta.main) {
  const [socketPath = "", nodeName = "", bootID = ""] = process.argv.slice(2);
  main(socketPath, nodeName, bootID);
}
