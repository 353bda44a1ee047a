import { execFileSync } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SYSTEM_NAMESPACE } from "../../src/api/group.ts";
import { SBD_CONFIG } from "../../src/api/sbd-config.ts";
import { SBD_NODE } from "../../src/api/sbd-node.ts";
import { SBD_REMEDIATION } from "../../src/api/sbd-remediation.ts";
import { createKubeClient } from "../../src/kube/kube-client.ts";
import type { KubeClient } from "../../src/kube/kube-client.ts";
import { kubeConfigAccess } from "../../src/kube/kube-config-file.ts";
import { listAt, textAt } from "../../src/kube/kube-object.ts";
import type { KubeObject } from "../../src/kube/kube-object.ts";
import { DAEMON_SETS, JOBS, NODES, PODS, resourceTypeOf } from "../../src/kube/resource-type.ts";
import { ControlPlane } from "../kube/control-plane.ts";
import type { KubeBinaries } from "../kube/kube-binaries.ts";
import { Cluster } from "../vm/cluster.ts";
import type { ClusterParts } from "../vm/cluster.ts";
import type { GuestPlan } from "../vm/cluster.ts";
import type { Guest } from "../vm/guest.ts";
import type { GuestService } from "../vm/guest-settings.ts";
import { SlotWatch } from "../vm/slot-watch.ts";
import { Chronicle } from "./chronicle.ts";
import { Kubectl } from "./kubectl.ts";

/** What every real cluster of a run is made of. */
export type RealClusterParts = ClusterParts & {
  readonly binaries: KubeBinaries;
  /** Path of the image of a node's root disk. */
  readonly root: string;
};

export const NODE_NAMES = ["worker-1", "worker-2", "worker-3"] as const;

/** Three with the control plane of this machine fit into 8 GB. */
const MEMORY_MIB = 1280;
const READY_BOUND_MS = 300_000;
/** What guests know this machine's loopback as. */
const HOST = "10.0.2.2";
const STRIDE_BYTES = 512;
/** Slots that are looked at: one for each node, and some to spare. */
const SLOTS = [1, 2, 3, 4, 5, 6];

/**
 * A cluster of real Kubernetes: its control plane on this machine, and nodes that are virtual machines,
 * each with a kernel, a watchdog, two shared disks, containerd and kubelet.
 */
export class RealCluster {
  readonly plane: ControlPlane;
  readonly machines: Cluster;
  readonly kubectl: Kubectl;
  readonly client: KubeClient;
  readonly chronicle: Chronicle;
  readonly slots: SlotWatch;
  readonly #root: string;

  private constructor(plane: ControlPlane, machines: Cluster, parts: RealClusterParts) {
    this.plane = plane;
    this.machines = machines;
    this.#root = parts.root;
    this.kubectl = new Kubectl(parts.binaries.path("kubectl"), plane.adminKubeconfig);
    this.client = createKubeClient(
      kubeConfigAccess([plane.adminKubeconfig], "of the test"),
      "test-cluster",
    );
    this.chronicle = new Chronicle(this.client);
    this.slots = new SlotWatch(machines.sbdDisk, STRIDE_BYTES, SLOTS);
  }

  /** Starts everything in a folder and waits until every Node is Ready. */
  static async start(parts: RealClusterParts, folder: string): Promise<RealCluster> {
    const machines = new Cluster(parts, folder);
    const plane = await ControlPlane.start(parts.binaries, {
      controllers: "*",
      scheduler: true,
      names: `IP:${HOST}`,
    });
    const cluster = new RealCluster(plane, machines, parts);
    try {
      await cluster.chronicle.follow(NODES);
      await cluster.chronicle.follow(PODS);
      await cluster.startMachines(NODE_NAMES);
      await cluster.nodesReady(NODE_NAMES);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  machine(name: string): Guest {
    return this.machines.guest(name);
  }

  /** Powers these machines on: with the root disk that they have, or with one like new. */
  async startMachines(names: readonly string[]): Promise<void> {
    await this.machines.start(names.map((name) => this.#plan(name)));
  }

  /** Waits until these nodes are Ready, and gives them the label of workers. */
  async nodesReady(names: readonly string[], boundMs = READY_BOUND_MS): Promise<void> {
    for (const name of names) {
      await this.chronicle.until(`${name} to be Ready`, boundMs, () => {
        return isReady(this.node(name)) ? true : undefined;
      });
    }
    await this.kubectl.run([
      ...["label", "--overwrite", "node", ...names],
      "node-role.kubernetes.io/worker=",
    ]);
  }

  node(name: string): KubeObject | undefined {
    return this.chronicle.get(NODES.kind, name);
  }

  /** After `deploy/` was applied: follows what it brings. */
  async followOurs(): Promise<void> {
    for (const resource of [SBD_CONFIG, SBD_NODE, SBD_REMEDIATION]) {
      await this.chronicle.follow(resourceTypeOf(resource));
    }
    await this.chronicle.follow(JOBS);
    await this.chronicle.follow(DAEMON_SETS);
  }

  /** The agent's pod on that node. */
  agentPod(nodeName: string): KubeObject | undefined {
    return this.chronicle
      .all(PODS.kind)
      .find(
        (pod) =>
          pod.metadata.namespace === SYSTEM_NAMESPACE &&
          pod.metadata.labels?.["app"] === "sbd-agent" &&
          textAt(pod, "spec", "nodeName") === nodeName,
      );
  }

  /** The log of a pod's container, read on its node: it needs no network. */
  async logs(nodeName: string, pod: string, lines = 50): Promise<string> {
    const { output } = await this.machine(nodeName).tryShell(
      `for log in /var/log/pods/*_${pod}_*/*/*.log; do echo "== $log"; tail -n ${lines} "$log"; done`,
    );
    return output;
  }

  /** Ends everything; consoles and images stay in the machines' folder. */
  async stop(): Promise<void> {
    this.chronicle.close();
    this.client.close();
    this.slots.close();
    await this.machines.stop();
    cpSync(join(this.plane.folder, "logs"), join(this.machines.folder, "control-plane"), {
      recursive: true,
    });
    await this.plane.stop();
  }

  #plan(name: string): GuestPlan {
    const index = NODE_NAMES.findIndex((one) => one === name);
    const address = `10.0.2.${11 + index}`;
    const rootImage = join(this.machines.folder, `${name}-root.img`);
    execFileSync("cp", ["--sparse=always", "--no-clobber", this.#root, rootImage]);
    return {
      name,
      settings: {
        watchdog: { driver: "i6300esb", parameters: {} },
        services: this.#services(name, address),
      },
      hardware: {
        memoryMib: MEMORY_MIB,
        rootImage,
        kernelArguments: [
          ...["audit=0", "cgroup_no_v1=all", "net.ifnames=0", "nokaslr"],
          `node.address=${address}`,
          `node.api=${this.plane.serverPort}`,
        ],
      },
    };
  }

  #services(name: string, address: string): GuestService[] {
    const { authority } = this.plane;
    const user = `kubelet-${name}`;
    authority.issue({
      name: user,
      subject: `/O=system:nodes/CN=system:node:${name}`,
      use: "clientAuth",
    });
    const serving = `serving-${name}`;
    const names = `IP:${address},DNS:${name}`;
    authority.issue({ name: serving, subject: `/CN=${name}`, use: "serverAuth", names });
    const files = {
      CA: authority.path("ca.crt"),
      CLIENT_CRT: authority.path(`${user}.crt`),
      CLIENT_KEY: authority.path(`${user}.key`),
      SERVING_CRT: authority.path(`${serving}.crt`),
      SERVING_KEY: authority.path(`${serving}.key`),
    };
    const environment = Object.fromEntries(
      Object.entries(files).map(([key, path]) => [key, readFileSync(path).toString("base64")]),
    );
    const folder = "/etc/kubernetes";
    const kubeconfig = JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: "test",
          cluster: {
            server: `https://${HOST}:${this.plane.serverPort}`,
            "certificate-authority": `${folder}/ca.crt`,
          },
        },
      ],
      users: [
        {
          name: "test",
          user: {
            "client-certificate": `${folder}/client.crt`,
            "client-key": `${folder}/client.key`,
          },
        },
      ],
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
      "current-context": "test",
    });
    const kubelet = [
      ...["CA:ca.crt", "CLIENT_CRT:client.crt", "CLIENT_KEY:client.key"],
      ...["SERVING_CRT:serving.crt", "SERVING_KEY:serving.key", "KUBECONFIG_FILE:kubeconfig"],
    ]
      .map((pair) => pair.split(":"))
      .map(([key, file]) => `echo "$${key}" | base64 -d >${folder}/${file}`);
    const flags = [
      `--config=${folder}/kubelet.yaml`,
      `--kubeconfig=${folder}/kubeconfig`,
      `--hostname-override=${name}`,
      `--node-ip=${address}`,
      "--housekeeping-interval=60s",
      "--v=1",
    ];
    // Signals that preempt goroutines cost emulated processors more than they bring.
    const go = { GODEBUG: "asyncpreemptoff=1", GOGC: "200" };
    return [
      {
        name: "containerd",
        argv: ["sh", "-c", "exec containerd >>/var/log/containerd.log 2>&1"],
        environment: go,
        restartSeconds: 2,
      },
      {
        name: "kubelet",
        argv: [
          "sh",
          "-c",
          [
            ...kubelet,
            "until [ -S /run/containerd/containerd.sock ]; do sleep 0.2; done",
            `exec kubelet ${flags.join(" ")} >>/var/log/kubelet.log 2>&1`,
          ].join("\n"),
        ],
        environment: {
          ...go,
          ...environment,
          KUBECONFIG_FILE: Buffer.from(kubeconfig).toString("base64"),
        },
        restartSeconds: 2,
      },
    ];
  }
}

export function isReady(node: KubeObject | undefined): boolean {
  return listAt(node, "status", "conditions").some(
    (condition) => textAt(condition, "type") === "Ready" && textAt(condition, "status") === "True",
  );
}
