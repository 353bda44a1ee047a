import type { Judgement } from "./config-status.ts";
import type { KubeNode } from "./kube-object.ts";

/**
 * Condition `MachineIDsUnique`. A machine is told by the UUID of its DMI, and a later boot of a machine may prove
 * the end of an earlier one: of two machines with one ID that is not so, and nobody but their kubelets tells.
 *
 * @param nodes all that the cluster has: a clone may be a node that no SBDConfig covers
 */
export function judgeMachineIDs(nodes: readonly KubeNode[]): Judgement {
  const names = new Map<string, string[]>();
  for (const { metadata, status } of nodes) {
    const machineID = (status?.nodeInfo?.systemUUID ?? "").toLowerCase();
    // What firmware tells that has none.
    if (/[^0f-]/.test(machineID)) {
      names.set(machineID, [...(names.get(machineID) ?? []), metadata.name]);
    }
  }
  const clones = [...names].filter(([, alike]) => alike.length > 1);
  return clones.length === 0
    ? {
        type: "MachineIDsUnique",
        status: "True",
        reason: "NoClonedMachines",
        message: "no two nodes tell one machine ID",
      }
    : {
        type: "MachineIDsUnique",
        status: "False",
        reason: "ClonedMachines",
        message:
          `${clones.map(([machineID, alike]) => `${alike.toSorted().join(" and ")} tell machine ID ${machineID}`).join("; ")}: ` +
          `one may be taken for another boot of the other, so a request for either may wait for an ` +
          `administrator. Give each machine a DMI UUID of its own`,
      };
}
