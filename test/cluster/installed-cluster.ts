import { join } from "node:path";
import { SYSTEM_NAMESPACE } from "../../src/api/group.ts";
import { SBD_CONFIG } from "../../src/api/sbd-config.ts";
import { SBD_NODE } from "../../src/api/sbd-node.ts";
import { SBD_REMEDIATION } from "../../src/api/sbd-remediation.ts";
import { fieldAt, listAt, textAt } from "../../src/kube/kube-object.ts";
import type { KubeObject } from "../../src/kube/kube-object.ts";
import { NODES, PODS } from "../../src/kube/resource-type.ts";
import { deriveTiming, msgwaitArithmetic } from "../../src/timing/contract.ts";
import type { Timing } from "../../src/timing/contract.ts";
import { elapse } from "../vm/bounded.ts";
import { monoMs } from "../vm/monotonic.ts";
import type { Observer, WorkloadLife } from "../vm/observer.ts";
import type { Play } from "../vm/scenario.ts";
import { HealthCheckStandIn } from "./health-check-stand-in.ts";
import {
  CONFIG_NAME,
  remediationTemplate,
  sbdConfig,
  sharedDisk,
  workload,
  WORKLOAD,
} from "./manifests.ts";
import { isReady, NODE_NAMES } from "./real-cluster.ts";
import type { RealCluster } from "./real-cluster.ts";

const TIMEOUT_SECONDS = 30;
const WATCHDOG_SECONDS = 15;
const repository = join(import.meta.dirname, "../..");

/** Emulated machines start pods slowly, and pull no image. */
const STEP_BOUND_MS = 600_000;
const ARMED_BOUND_MS = 600_000;

/** A real cluster on which sbd-operator was installed as its documentation says. */
export class InstalledCluster {
  readonly real: RealCluster;
  readonly timing: Timing = deriveTiming({
    timeoutMs: TIMEOUT_SECONDS * 1000,
    watchdogMs: WATCHDOG_SECONDS * 1000,
  });
  readonly healthCheck: HealthCheckStandIn;

  constructor(real: RealCluster) {
    this.real = real;
    this.healthCheck = new HealthCheckStandIn(real);
  }

  get observer(): Observer {
    return this.real.machines.observer;
  }

  /** From nothing to armed, in the order of docs: deploy/, claim, SBDConfig, template. */
  async install(play: Play): Promise<void> {
    const { real } = this;
    const { chronicle, kubectl } = real;
    const fromMs = monoMs();
    const said = await kubectl.run(["apply", "-k", join(repository, "deploy")]);
    if (/^(Warning|error)/im.test(said)) throw new Error(`kubectl apply -k deploy/ said: ${said}`);
    play.tell("kubectl apply -k deploy/ has applied without a warning");
    await real.followOurs();
    await chronicle.until("an operator's pod to be ready", STEP_BOUND_MS, () =>
      this.#pods("sbd-operator").some(isPodReady) ? true : undefined,
    );
    play.tell("an operator is ready");
    await kubectl.apply(
      ...sharedDisk("sbd-device", SYSTEM_NAMESPACE, "/dev/shared-sbd", "ReadWriteMany"),
      sbdConfig(TIMEOUT_SECONDS, WATCHDOG_SECONDS),
      remediationTemplate(),
    );
    play.tell(`claim, SBDConfig and template are there; ${msgwaitArithmetic(this.timing)}`);
    await chronicle.until("the device to be initialised", STEP_BOUND_MS, () =>
      conditionOf(this.config(), "DeviceReady") === "True" ? true : undefined,
    );
    play.tell("the device is initialised");
    await this.armed(play, NODE_NAMES);
    await chronicle.until("the SBDConfig to be Ready", STEP_BOUND_MS, () =>
      conditionOf(this.config(), "Ready") === "True" ? true : undefined,
    );
    play.tell("the SBDConfig is Ready");
    play.measure("from nothing to armed", monoMs() - fromMs);
  }

  /** Starts the workload and waits until it writes. */
  async startWorkload(play: Play): Promise<WorkloadLife> {
    const fromMs = monoMs();
    await this.real.kubectl.apply(...workload());
    const life = await this.observer.nextLife(
      STEP_BOUND_MS,
      "the workload's first writes",
      (it) => {
        return it.firstMs > fromMs && it.writes > 5;
      },
    );
    play.tell(`the workload writes on ${life.guest}`);
    return life;
  }

  config(): KubeObject | undefined {
    return this.real.chronicle.get(SBD_CONFIG.kind, CONFIG_NAME);
  }

  sbdNode(nodeName: string): KubeObject | undefined {
    return this.real.chronicle
      .all(SBD_NODE.kind)
      .find((one) => textAt(one, "spec", "nodeName") === nodeName);
  }

  /** Waits until the agents of these nodes report that they are armed in the boot that is up. */
  async armed(play: Play, names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.real.chronicle.until(`the agent of ${name} to be armed`, ARMED_BOUND_MS, () => {
        const status = fieldAt(this.sbdNode(name), "status");
        const isOfThisBoot = textAt(status, "bootID") === this.real.machine(name).bootId;
        return isOfThisBoot && fieldAt(status, "armed") === true ? true : undefined;
      });
      play.tell(`the agent of ${name} is armed`);
    }
  }

  /** Everything as it is to be before a scenario: three Ready nodes, armed, without taint; one writer. */
  async healthy(play: Play): Promise<WorkloadLife> {
    await this.real.nodesReady(NODE_NAMES);
    await this.armed(play, NODE_NAMES);
    await this.real.chronicle.until("all requests and taints to be gone", STEP_BOUND_MS, () => {
      const requests = this.real.chronicle.all(SBD_REMEDIATION.kind);
      const taints = NODE_NAMES.flatMap((name) => listAt(this.real.node(name), "spec", "taints"));
      return requests.length === 0 && taints.length === 0 ? true : undefined;
    });
    const nowMs = monoMs();
    return await this.observer.nextLife(STEP_BOUND_MS, "the workload to write", (it) => {
      return it.lastMs > nowMs;
    });
  }

  /** Node of the workload's pod; empty while it has none. */
  workloadNode(): string {
    const pod = this.real.chronicle.get(PODS.kind, WORKLOAD.pod, WORKLOAD.namespace);
    return textAt(pod, "spec", "nodeName");
  }

  /** Node of the operator that leads. */
  async leaderNode(): Promise<string> {
    const options = ["-n", SYSTEM_NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}"];
    const holder = await this.real.kubectl.run(["get", "lease", "sbd-operator", ...options]);
    const leader = this.#pods("sbd-operator").find(({ metadata }) =>
      holder.startsWith(metadata.name ?? "-"),
    );
    if (leader === undefined) throw new Error(`No operator's pod holds the Lease: '${holder}'.`);
    return textAt(leader, "spec", "nodeName");
  }

  /** Nobody but these was reset since `sinceMs`. */
  judgeOthers(sinceMs: number, ...fallen: readonly string[]): void {
    for (const guest of this.real.machines.guests) {
      if (fallen.includes(guest.name)) continue;
      if (guest.resets.some(({ atMs }) => atMs > sinceMs)) {
        throw new Error(`${guest.name} was reset, and nobody had asked for that.`);
      }
    }
  }

  /** Nobody at all is reset for so long, and the workload writes on. */
  async nobodyDies(play: Play, sinceMs: number, forMs: number): Promise<void> {
    await elapse(forMs);
    this.judgeOthers(sinceMs);
    const nowMs = monoMs();
    await this.observer.nextLife(30_000, "a write of the workload", ({ lastMs }) => lastMs > nowMs);
    play.measure("watched, and nobody was reset", monoMs() - sinceMs);
  }

  #pods(app: string): readonly KubeObject[] {
    return this.real.chronicle
      .all(PODS.kind)
      .filter(({ metadata }) => metadata.labels?.["app"] === app);
  }

  /** True where kubelet and API server agree that all is well. */
  isNodeReady(name: string): boolean {
    return isReady(this.real.chronicle.get(NODES.kind, name));
  }
}

function isPodReady(pod: KubeObject): boolean {
  return conditionOf(pod, "Ready") === "True";
}

/** Status of a condition; empty where there is none. */
export function conditionOf(object: KubeObject | undefined, type: string): string {
  const found = listAt(object, "status", "conditions").find(
    (condition) => textAt(condition, "type") === type,
  );
  return textAt(found, "status");
}
