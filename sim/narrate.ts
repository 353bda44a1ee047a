import { REMEDIATION_TAINT_KEY } from "../src/api/remediation-names.ts";
import { hasTaint } from "../src/operator/kube-object.ts";
import { nodeNameOf } from "../src/operator/snapshot.ts";
import { uidOf } from "./api-store.ts";
import type { World } from "./world.ts";

/** Tells the trace what becomes of requests, taints, slots and attachments in the API. */
export function narrate({ api, say }: World): void {
  if (say === null) {
    return;
  }
  api.remediations.watchers.push((before, now) => {
    if (now === null) {
      say(`${before === null ? "" : uidOf(before)} is gone`);
      return;
    }
    const what = `${nodeNameOf(now)} (${uidOf(now)})`;
    const agent = now.status.fencing?.agent ?? "";
    if (agent !== (before?.status.fencing?.agent ?? "")) {
      say(agent === "" ? `nobody fences ${what} any more` : `${agent} is named to fence ${what}`);
    }
    for (const { type, status, reason } of now.status.conditions ?? []) {
      const was = before?.status.conditions?.find((condition) => condition.type === type)?.status;
      if (was !== status && status !== "Unknown" && /^(FencingSucceeded|Succeeded)$/.test(type)) {
        const why = now.status.message === "" ? "" : `: ${now.status.message}`;
        say(`${type}=${status} for ${what}, ${reason}${why}`);
      }
    }
  });
  api.nodes.watchers.push((before, now) => {
    const { metadata } = now ?? before!;
    const effectOf = (node: typeof now): string =>
      node?.spec?.taints?.map(({ key, effect }) => `${key}:${effect}`).join(" ") ?? "";
    if (now !== null && effectOf(before) !== effectOf(now)) {
      const taints = effectOf(now);
      say(`${metadata.name} is ${taints === "" ? "without taints" : `tainted ${taints}`}`);
    }
    if (now === null && before !== null && hasTaint(before, REMEDIATION_TAINT_KEY)) {
      say(`the Node ${metadata.name} is gone, taints and all`);
    }
  });
  api.sbdNodes.watchers.push((before, now) => {
    const { metadata, spec } = now ?? before!;
    const deleting = now?.metadata.deletionTimestamp;
    if (before === null) {
      say(`${spec.nodeName} is given slot ${spec.nodeID}`);
    } else if (now === null) {
      say(`slot ${spec.nodeID} is free again`);
    } else if (deleting !== undefined && before.metadata.deletionTimestamp === undefined) {
      say(`${metadata.name} of ${spec.nodeName} is to go`);
    }
    const task = now?.status.slotTask;
    const known = before?.status.slotTask;
    if (task !== undefined && (task.id !== known?.id || task.agent !== known.agent)) {
      say(`${task.agent} is to do ${task.kind} of fence slot ${spec.nodeID}`);
    }
  });
  api.volumeAttachments.watchers.push((before, now) => {
    if (now === null && before !== null) {
      say(`${before.metadata.name} is detached from ${before.spec?.nodeName}`);
    }
  });
}
