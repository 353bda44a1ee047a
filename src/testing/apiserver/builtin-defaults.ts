import { isObject, objectOf, textOf } from "./json.ts";
import type { JsonObject } from "./json.ts";
import type { KubeObject } from "./kube-object.ts";

function fill(object: JsonObject, key: string, defaults: JsonObject): void {
  object[key] = { ...defaults, ...objectOf(object[key]) };
}

const podSpecDefaults: JsonObject = {
  restartPolicy: "Always",
  terminationGracePeriodSeconds: 30,
  dnsPolicy: "ClusterFirst",
  schedulerName: "default-scheduler",
  securityContext: {},
};

/**
 * The defaults of built-in kinds that anything here depends on, in place. Many others that
 * kube-apiserver fills in are left out.
 */
export function applyBuiltinDefaults(object: KubeObject, isNew: boolean): void {
  switch (object.kind) {
    case "Namespace":
      object.metadata.labels = {
        ...object.metadata.labels,
        "kubernetes.io/metadata.name": object.metadata.name ?? "",
      };
      if (isNew) {
        fill(object, "spec", { finalizers: ["kubernetes"] });
        fill(object, "status", { phase: "Active" });
      }
      return;
    case "Pod":
      fill(object, "spec", { serviceAccountName: "default", ...podSpecDefaults });
      if (isNew) fill(object, "status", { phase: "Pending" });
      return;
    case "DaemonSet":
    case "Deployment":
      defaultWorkload(object);
      return;
    case "Secret":
      if (textOf(object["type"]) === "") object["type"] = "Opaque";
      moveStringData(object);
      return;
    case "Service":
      fill(object, "spec", { type: "ClusterIP", sessionAffinity: "None" });
      return;
    case "PersistentVolumeClaim":
    case "PersistentVolume":
      fill(object, "spec", { volumeMode: "Filesystem" });
      if (isNew) fill(object, "status", { phase: "Pending" });
      return;
    case "VolumeAttachment":
      if (isNew) fill(object, "status", { attached: false });
      return;
    case "ValidatingAdmissionPolicy":
      fill(object, "spec", { failurePolicy: "Fail" });
      return;
    default:
  }
}

function defaultWorkload(object: KubeObject): void {
  const spec = objectOf(object["spec"]);
  const template = objectOf(spec["template"]);
  object["spec"] = {
    revisionHistoryLimit: 10,
    ...(object.kind === "Deployment" ? { replicas: 1, progressDeadlineSeconds: 600 } : {}),
    ...spec,
    template: { ...template, spec: { ...podSpecDefaults, ...objectOf(template["spec"]) } },
  };
  if (object.kind !== "DaemonSet") return;
  const strategy = objectOf(spec["updateStrategy"]);
  const type = textOf(strategy["type"]) || "RollingUpdate";
  const rolling = { maxSurge: 0, maxUnavailable: 1, ...objectOf(strategy["rollingUpdate"]) };
  const filled = type === "RollingUpdate" ? { type, rollingUpdate: rolling } : { type };
  object["spec"] = { ...objectOf(object["spec"]), updateStrategy: filled };
}

function moveStringData(secret: KubeObject): void {
  const plain = secret["stringData"];
  if (!isObject(plain)) return;
  const data = objectOf(secret["data"]);
  for (const [key, value] of Object.entries(plain)) {
    data[key] = Buffer.from(textOf(value)).toString("base64");
  }
  secret["data"] = data;
  delete secret["stringData"];
}
