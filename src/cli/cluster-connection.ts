import { createKubeClient, type KubeClient } from "../kube/kube-client.ts";
import { KubeConfigError, loadUserKubeConfig } from "../kube/kube-config.ts";
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
  const connection = connect(context);
  try {
    return await use(connection);
  } catch (error) {
    throw error instanceof KubeError ? new CliError("API", trouble(error, refused)) : error;
  } finally {
    connection.client.close();
  }
}

function connect(context: string | null): ClusterConnection {
  try {
    const config = loadUserKubeConfig(process.env, context);
    const server = new URL(config.getCurrentCluster()?.server ?? "");
    return { client: createKubeClient(config, "sbdctl"), server: server.origin };
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
