/** Who sent a request. */
export interface User {
  name: string;
  uid: string;
  groups: readonly string[];
  extra: Readonly<Record<string, readonly string[]>>;
}

/** The group that RBAC is not asked about. */
export const superuserGroup = "system:masters";

/** A request without a token. */
export const anonymous: User = {
  name: "system:anonymous",
  uid: "",
  groups: ["system:unauthenticated"],
  extra: {},
};

/** The administrator's user, as kubeadm names it. */
export const administrator: User = {
  name: "kubernetes-admin",
  uid: "",
  groups: [superuserGroup, "system:authenticated"],
  extra: {},
};

/** Who the server's own controllers write as. */
export function controllerUser(controller: string): User {
  return {
    name: `system:serviceaccount:kube-system:${controller}`,
    uid: "",
    groups: [superuserGroup, "system:authenticated"],
    extra: {},
  };
}
