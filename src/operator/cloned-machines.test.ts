import assert from "node:assert/strict";
import { test } from "node:test";

import { judgeMachineIDs } from "./cloned-machines.ts";
import type { KubeNode } from "./kube-object.ts";
import { Cluster } from "./scenarios/cluster.ts";

const ONE = "4c4c4544-0042-3510-8056-b4c04f4e5a32";

function node(name: string, systemUUID?: string): KubeNode {
  const nodeInfo = systemUUID === undefined ? {} : { nodeInfo: { systemUUID } };
  return { apiVersion: "v1", kind: "Node", metadata: { name }, status: nodeInfo } as KubeNode;
}

test("nodes that tell one machine ID are named, however it is spelt", () => {
  const { status, reason, message } = judgeMachineIDs([
    node("worker-3", ONE.toUpperCase()),
    node("worker-2", "11111111-0042-3510-8056-b4c04f4e5a32"),
    node("worker-1", ONE),
  ]);
  assert.deepEqual([status, reason], ["False", "ClonedMachines"]);
  assert.match(message, new RegExp(`^worker-1 and worker-3 tell machine ID ${ONE}: .*of its own$`));
});

test("an ID that is none, or not told, makes no clones", () => {
  const nil = "00000000-0000-0000-0000-000000000000";
  const full = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF";
  for (const none of [undefined, "", nil, full]) {
    assert.equal(
      judgeMachineIDs([node("a", none), node("b", none), node("c", ONE)]).status,
      "True",
    );
  }
});

test("the SBDConfig says it, with an event", () => {
  const cluster = new Cluster();
  cluster.takeTrace();
  const conditions = (): readonly { readonly type: string; readonly status: string }[] => {
    const config = cluster.api.get("SBDConfig", "default");
    assert.ok(config !== null);
    return (config.status as { readonly conditions: [] }).conditions;
  };
  const said = (): string | undefined =>
    conditions().find(({ type }) => type === "MachineIDsUnique")?.status;
  assert.equal(said(), "True");
  for (const name of ["worker-1", "worker-3"]) {
    cluster.tellMachine(name, ONE);
  }
  cluster.pass(1_000);
  assert.equal(said(), "False");
  assert.ok(cluster.takeTrace().some((line) => line.includes("ClonedMachines")));
});
