import type { KubeClient } from "../../kube/kube-client.ts";
import { listAt, textAt, type KubeObject } from "../../kube/kube-object.ts";
import { getObject } from "../../kube/read-objects.ts";
import { PODS } from "../../kube/resource-type.ts";
import type { LineLogger } from "../../program/line-logger.ts";
import { VERSION } from "../../program/version.ts";
import type { OperatorOptions } from "./operator-options.ts";

const AGAIN_AFTER_MS = 2_000;
const CONTAINER = "operator";

/**
 * The image that agents and fencers are started from where their SBDConfig names none: what the options
 * say, else the operator's own. So an installation names one image, in one place. Asks until the API
 * server answers.
 */
export async function agentImageOf(
  client: KubeClient,
  { agentImage, namespace, podName }: OperatorOptions,
  log: LineLogger["log"],
): Promise<string> {
  if (agentImage !== null) {
    return agentImage;
  }
  for (;;) {
    try {
      const pod = await getObject(client, PODS, { namespace, name: podName });
      const image = pod === null ? "" : imageOf(pod);
      if (image !== "") {
        return image;
      }
      const assumed = `sbd-operator:${VERSION}`;
      const where = `pod ${namespace}/${podName}, container ${CONTAINER}`;
      log("warn", `agents are started from ${assumed}, for the API server shows no ${where}`);
      return assumed;
    } catch (error) {
      log("warn", `which image agents are started from is not known yet: ${String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    }
  }
}

function imageOf(pod: KubeObject): string {
  const own = listAt(pod, "spec", "containers").find((one) => textAt(one, "name") === CONTAINER);
  return own === undefined ? "" : textAt(own, "image");
}
