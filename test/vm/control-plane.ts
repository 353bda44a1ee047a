import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { API_VERSION, SYSTEM_NAMESPACE } from "../../src/api/group.ts";
import { SBD_REMEDIATION } from "../../src/api/sbd-remediation.ts";
import { listenToApi } from "../../src/demo/api-events.ts";
import type { ApiEvent } from "../../src/demo/api-events.ts";
import { CONFIG_NAME, startKubernetes } from "../../src/demo/kubernetes.ts";
import type { Kubernetes, KubernetesOptions } from "../../src/demo/kubernetes.ts";
import { textAt } from "../../src/kube/kube-object.ts";
import { bounded } from "./bounded.ts";
import type { Cluster } from "./cluster.ts";
import type { Declared, Ordered } from "./fencing.ts";
import { monoMs } from "./monotonic.ts";
import type { Play } from "./scenario.ts";

/** A running operator. */
export type OperatorProcess = { readonly name: string; readonly process: ChildProcess };

const OPERATOR_NAMES = ["sbd-operator-a", "sbd-operator-b"] as const;
const LEASE_SECONDS = 4;
const KUBELET_EVERY_MS = 1000;
/** What a guest knows this machine's loopback as. */
const HOST_ADDRESS = "10.0.2.2";

/**
 * The cluster's API server and its two operators on this machine, and a stand-in for the kubelets: a
 * Node is Ready, with the boot ID that its workload wrote, while that works and has its network.
 */
export class ControlPlane {
  readonly configName = CONFIG_NAME;
  readonly operators: OperatorProcess[] = [];
  readonly #kubernetes: Kubernetes;
  readonly #cluster: Cluster;
  readonly #cut = new Set<string>();
  readonly #events: ApiEvent[] = [];
  readonly #waiting = new Set<(event: ApiEvent) => void>();

  private constructor(cluster: Cluster, kubernetes: Kubernetes) {
    this.#cluster = cluster;
    this.#kubernetes = kubernetes;
  }

  static async start(
    cluster: Cluster,
    play: Play,
    options: KubernetesOptions,
  ): Promise<ControlPlane> {
    const kubernetes = await startKubernetes(options);
    const plane = new ControlPlane(cluster, kubernetes);
    const stopListening = listenToApi(kubernetes.server, (event) => {
      plane.#take(event, play);
    });
    const kubelets = setInterval(() => {
      plane.#postNodes();
    }, KUBELET_EVERY_MS);
    for (const name of OPERATOR_NAMES) plane.startOperator(name);
    cluster.onStop(async () => {
      clearInterval(kubelets);
      stopListening();
      for (const { process } of plane.operators) process.kill("SIGKILL");
      await kubernetes.server.close();
    });
    return plane;
  }

  /** Starts an operator of that name; its log lies beside the consoles. */
  startOperator(name: string): void {
    const log = openSync(join(this.#cluster.folder, `${name}.log`), "a");
    const program = join(import.meta.dirname, "../../src/program/sbd.ts");
    const operator = spawn(
      "setpriv",
      ["--pdeathsig", "KILL", process.execPath, program, "operator"],
      {
        stdio: ["ignore", log, log],
        env: {
          PATH: process.env["PATH"],
          HOME: process.env["HOME"],
          KUBECONFIG: this.#kubernetes.kubeconfigs.operator,
          POD_NAME: name,
          DEPLOYMENT_NAMESPACE: SYSTEM_NAMESPACE,
          SBD_METRICS_PORT: "0",
          SBD_LEASE_SECONDS: String(LEASE_SECONDS),
        },
      },
    );
    closeSync(log);
    this.operators.push({ name, process: operator });
  }

  /** Kills the operator that leads, and nothing that replaces it; returns its name. */
  killLeader(): string {
    const lease = this.#kubernetes.server.objects.get(
      "leases.coordination.k8s.io",
      "sbd-operator",
      SYSTEM_NAMESPACE,
    );
    const holder = textAt(lease, "spec", "holderIdentity");
    this.operators.find(({ name }) => name === holder)?.process.kill("SIGKILL");
    return holder;
  }

  /** An agent's kubeconfig as it is in a guest, in base64. */
  agentKubeconfig(nodeName: string): string {
    const here = readFileSync(this.#kubernetes.kubeconfigs.agent(nodeName), "utf8");
    return Buffer.from(here.replaceAll("127.0.0.1", HOST_ADDRESS)).toString("base64");
  }

  /** Takes a guest's network away, and with it its kubelet's word. */
  async cut(nodeName: string): Promise<void> {
    this.#cut.add(nodeName);
    await this.#cluster.guest(nodeName).cutNetwork();
  }

  async restore(nodeName: string): Promise<void> {
    this.#cut.delete(nodeName);
    await this.#cluster.guest(nodeName).restoreNetwork();
  }

  /** Creates an SBDRemediation for that node, as NodeHealthCheck does. */
  request(nodeName: string): Ordered {
    const fromMs = monoMs();
    this.#kubernetes.server.objects.load([
      {
        apiVersion: API_VERSION,
        kind: SBD_REMEDIATION.kind,
        metadata: {
          generateName: `${nodeName}-`,
          namespace: SYSTEM_NAMESPACE,
          annotations: { "remediation.medik8s.io/node-name": nodeName },
          labels: { "app.kubernetes.io/part-of": "node-healthcheck-controller" },
        },
        spec: { remediationStrategy: "Automatic" },
      },
    ]);
    const asDeclared = (event: ApiEvent): Declared => {
      const evidence = this.#events.findLast((it) => it.kind === "evidence");
      return {
        atMs: event.tMs,
        kind: evidence?.evidence ?? "unknown",
        detail: evidence?.detail ?? "",
      };
    };
    let known: Declared | undefined;
    const declared = this.event("declared", fromMs).then((event) => {
      known = asDeclared(event);
      return known;
    });
    const confirmed = this.event("durable", fromMs).then(({ tMs }) => tMs);
    return { confirmed, declared, declaredYet: () => known };
  }

  /** The first event of that kind after `sinceMs`, however long it takes; the asker has a bound. */
  async event(kind: ApiEvent["kind"], sinceMs: number): Promise<ApiEvent> {
    const seen = this.#events.find((event) => event.kind === kind && event.tMs >= sinceMs);
    if (seen !== undefined) return seen;
    return await new Promise((resolve) => {
      const listener = (event: ApiEvent): void => {
        if (event.kind !== kind) return;
        this.#waiting.delete(listener);
        resolve(event);
      };
      this.#waiting.add(listener);
    });
  }

  /** The same with a bound. */
  async eventWithin(kind: ApiEvent["kind"], sinceMs: number, boundMs: number): Promise<ApiEvent> {
    return await bounded(this.event(kind, sinceMs), boundMs, `'${kind}' at the API server`);
  }

  /** The agent that was named to fence last; empty while none was. */
  lastNamed(): string {
    const named = this.#events.findLast((event) => event.kind === "fencer-named");
    return named?.agent ?? "";
  }

  #take(event: ApiEvent, play: Play): void {
    this.#events.push(event);
    switch (event.kind) {
      case "fencer-named":
        play.tell(`the agent of ${event.agent} is named to fence`, event.tMs);
        break;
      case "evidence":
        play.tell(`proof: ${event.evidence}, ${event.detail}`, event.tMs);
        break;
      case "concluded":
        play.tell(`Succeeded=${event.succeeded} ${event.message}`, event.tMs);
        break;
      case "tainted":
        play.tell(`${event.nodeName} is tainted ${event.taint}`, event.tMs);
        break;
      case "requested":
      case "finalizer":
      case "durable":
      case "declared":
      case "not-ready":
      case "pod-bound":
      case "pod-gone":
        break;
    }
    for (const listener of this.#waiting) listener(event);
  }

  #postNodes(): void {
    const now = new Date().toISOString();
    for (const { name } of this.#cluster.guests) {
      const life = this.#cluster.observer.lives.findLast((it) => it.guest === name);
      if (life === undefined || this.#cut.has(name)) continue;
      const isReady = monoMs() - life.lastMs < 3 * KUBELET_EVERY_MS;
      this.#kubernetes.server.objects.change("nodes", name, (node) => ({
        ...node,
        status: {
          nodeInfo: { bootID: life.bootId },
          conditions: [
            {
              type: "Ready",
              status: isReady ? "True" : "Unknown",
              reason: isReady ? "KubeletReady" : "NodeStatusUnknown",
              message: "",
              lastHeartbeatTime: now,
              lastTransitionTime: now,
            },
          ],
        },
      }));
    }
  }
}
