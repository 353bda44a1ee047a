import { stringify } from "yaml";

/**
 * Before a path: the token of a client that sends none. `kubectl` sends no token over plain HTTP, but
 * keeps a path that its server address has, so `http://…/as/<token>` says who it is.
 */
export const tokenPath = "/as/";

/**
 * A kubeconfig for one server and one bearer token, as YAML, for `kubectl` and the official
 * client. The latter refuses plain HTTP unless it is told not to verify TLS.
 */
export function kubeconfigFor(url: string, token: string): string {
  const name = "embedded";
  const server = `${url}${tokenPath}${token}`;
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
