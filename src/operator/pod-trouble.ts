import type { KubePod } from "./kube-object.ts";

/** Kubernetes goes back and forth between the two. */
const IMAGE_PULL = new Set(["ErrImagePull", "ImagePullBackOff"]);

/** What keeps a pod from running, in the words of its status; null where nothing does. */
export function whyPodWaits({ metadata, status }: KubePod): string | null {
  const isUnscheduled = status?.conditions?.find(
    ({ type, status: holds }) => type === "PodScheduled" && holds === "False",
  );
  if (isUnscheduled !== undefined) {
    return `its pod cannot be scheduled: ${isUnscheduled.message ?? ""}`;
  }
  for (const { state, lastState } of status?.containerStatuses ?? []) {
    const { reason = "", message = "" } = state?.waiting ?? {};
    if (IMAGE_PULL.has(reason)) {
      return "its image cannot be pulled (ImagePullBackOff)";
    }
    if (reason === "CrashLoopBackOff") {
      const said = lastState?.terminated?.message ?? "";
      return `its pod ends again and again${said === "" ? "" : `: ${said}`}`;
    }
    if (reason === "ContainerCreating") {
      return (
        `its pod waits for its volumes or its sandbox (ContainerCreating): kubectl describe pod ` +
        `${metadata.name} tells which, for instance whether the shared volume is attached`
      );
    }
    if (reason !== "") {
      return `its pod waits: ${reason}${message === "" ? "" : ` (${message})`}`;
    }
  }
  return null;
}
