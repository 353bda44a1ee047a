import { SYSTEM_NAMESPACE } from "../api/group.ts";
import { parseSBDNode, SBD_NODE } from "../api/sbd-node.ts";
import type { KubeClient } from "../kube/kube-client.ts";
import { KubeError } from "../kube/kube-error.ts";
import { listAt, textAt } from "../kube/kube-object.ts";
import { getObject, listObjects } from "../kube/read-objects.ts";
import { DEPLOYMENTS, resourceTypeOf } from "../kube/resource-type.ts";
import { VERSION } from "../program/version.ts";
import { withCluster } from "./cluster-connection.ts";
import { textFields } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

type AgentVersion = { readonly version: string | null; readonly nodes: readonly string[] };

const OPERATOR = "sbd-operator";

/** `sbdctl version`. @throws {CliError} `API` */
export async function showVersion(
  { clientOnly, context }: { readonly clientOnly: boolean; readonly context: string | null },
  terminal: Terminal,
): Promise<void> {
  if (clientOnly) {
    terminal.answer({ client: VERSION }, textFields([["client", VERSION]]));
    return;
  }
  await withCluster(
    context,
    "ClusterRole sbd-view has the rights that this takes.",
    async ({ client }) => {
      const [server, operator, agents] = await Promise.all([
        client
          .request({ method: "GET", path: "/version" })
          .then((told) => textAt(told, "gitVersion")),
        operatorImage(client),
        agentVersions(client),
      ]);
      const skew = skewOf(agents);
      terminal.answer(
        { client: VERSION, server, operator, agents, skew },
        textFields([
          ["client", VERSION],
          ["API server", server],
          ["operator", operator ?? "unknown: there is no Deployment that you may read"],
          ...agents.map(
            ({ version, nodes }) =>
              [`agents`, `${version ?? "version unknown"} on ${nodes.join(", ")}`] as const,
          ),
          ["skew", skew.length === 0 ? "none" : skew.join("; ")],
        ]),
      );
    },
  );
}

/** Null too for a person who may not read it. */
async function operatorImage(client: KubeClient): Promise<string | null> {
  try {
    const found = await getObject(client, DEPLOYMENTS, {
      name: OPERATOR,
      namespace: SYSTEM_NAMESPACE,
    });
    const [container] = listAt(found, "spec", "template", "spec", "containers");
    return textAt(container, "image") || null;
  } catch (error) {
    if (error instanceof KubeError && error.code === "FORBIDDEN") return null;
    throw error;
  }
}

async function agentVersions(client: KubeClient): Promise<AgentVersion[]> {
  const { items } = await listObjects(client, resourceTypeOf(SBD_NODE));
  const nodesOf = new Map<string | null, string[]>();
  for (const object of items) {
    const parsed = parseSBDNode(object);
    if (!parsed.ok) continue;
    const version = parsed.value.status.agentVersion ?? null;
    nodesOf.set(version, [...(nodesOf.get(version) ?? []), parsed.value.spec.nodeName]);
  }
  return [...nodesOf].map(([version, nodes]) => ({ version, nodes: nodes.toSorted() }));
}

function skewOf(agents: readonly AgentVersion[]): string[] {
  return agents
    .filter(({ version }) => version !== VERSION)
    .map(({ version, nodes }) =>
      version === null
        ? `${nodes.length} agents have not told their version`
        : `${nodes.length} agents run ${version}, this program is ${VERSION}`,
    );
}
