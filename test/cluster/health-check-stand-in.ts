import { SYSTEM_NAMESPACE } from "../../src/api/group.ts";
import { SBD_REMEDIATION } from "../../src/api/sbd-remediation.ts";
import type { KubeObject } from "../../src/kube/kube-object.ts";
import { resourceTypeOf } from "../../src/kube/resource-type.ts";
import { createObject, deleteObject } from "../../src/kube/write-objects.ts";
import { TEMPLATE_NAME } from "./manifests.ts";
import { isReady, NODE_NAMES } from "./real-cluster.ts";
import type { RealCluster } from "./real-cluster.ts";

const REMEDIATIONS = resourceTypeOf(SBD_REMEDIATION);

/**
 * Does what NodeHealthCheck does to SBDRemediations: makes one from the template for a node that is not
 * Ready, and deletes it when the node is Ready again. Durations are left out: what the node controller
 * takes until a node is not Ready is wait enough here.
 */
export class HealthCheckStandIn {
  readonly #cluster: RealCluster;
  readonly #asked = new Map<string, string>();
  #stop: (() => void) | undefined;

  constructor(cluster: RealCluster) {
    this.#cluster = cluster;
  }

  /** From now on until `stop`. */
  start(): void {
    this.#stop ??= this.#cluster.chronicle.onChange(({ kind, object }) => {
      if (kind === "Node" && object !== undefined) void this.#look(object);
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  async #look(node: KubeObject): Promise<void> {
    const name = node.metadata.name ?? "";
    if (!NODE_NAMES.some((one) => one === name)) return;
    const asked = this.#asked.get(name);
    if (!isReady(node) && asked === undefined) {
      this.#asked.set(name, "");
      try {
        this.#asked.set(name, await this.request(name));
      } catch {
        // At the Node's next change again.
        this.#asked.delete(name);
      }
    } else if (isReady(node) && asked !== undefined && asked !== "") {
      this.#asked.delete(name);
      try {
        await this.withdraw(asked);
      } catch {
        this.#asked.set(name, asked);
      }
    }
  }

  /** Creates the request as NodeHealthCheck would, and returns its name. */
  async request(nodeName: string): Promise<string> {
    const metadata = {
      generateName: `${nodeName}-`,
      namespace: SYSTEM_NAMESPACE,
      annotations: {
        "remediation.medik8s.io/node-name": nodeName,
        "remediation.medik8s.io/template-name": TEMPLATE_NAME,
      },
      labels: { "app.kubernetes.io/part-of": "node-healthcheck-controller" },
    };
    const spec = { remediationStrategy: "Automatic" };
    const made = await createObject(this.#cluster.client, REMEDIATIONS, { metadata, spec });
    if (made.kind !== "done") throw new Error(`The request was not created: ${made.kind}`);
    return made.object.metadata.name ?? "";
  }

  async withdraw(name: string): Promise<void> {
    await deleteObject(this.#cluster.client, REMEDIATIONS, { name, namespace: SYSTEM_NAMESPACE });
  }
}
