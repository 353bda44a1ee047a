import { createKubeClient, type KubeClient } from "../kube/kube-client.ts";
import { KubeConfigError } from "../kube/kube-access.ts";
import { loadUserKubeConfig } from "../kube/kube-config.ts";
import { KubeError } from "../kube/kube-error.ts";
import { CliError } from "./cli-error.ts";

export type ClusterConnection = { readonly client: KubeClient; readonly server: string };

/**
 * Runs a command against the cluster that kubectl would use.
 *
 * @param context one of the kubeconfig's; null: its current one
 * @param refused what a person whom the server refuses may do
 * @throws {CliError} `API` for everything that the server or the way to it is at fault for
 */
export async function withCluster<Result>(
  context: string | null,
  refused: string,
  use: (connection: ClusterConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await connect(context);
  try {
    return await use(connection);
  } catch (error) {
    throw error instanceof KubeError ? new CliError("API", trouble(error, refused)) : error;
  } finally {
    connection.client.close();
  }
}

async function connect(context: string | null): Promise<ClusterConnection> {
  try {
    const access = await loadUserKubeConfig(process.env, context);
    return { client: createKubeClient(access, "sbdctl"), server: access.server.origin };
  } catch (error) {
    throw error instanceof KubeConfigError ? new CliError("API", error.message) : error;
  }
}

function trouble({ code, message }: KubeError, refused: string): string {
  const todo =
    code === "FORBIDDEN" || code === "UNAUTHORIZED"
      ? refused
      : "Run the command again once the API server answers.";
  return `The API server did not do what was asked: ${message}. ${todo}`;
}
