import { stringify } from "yaml";

/** A kubeconfig for one server and one bearer token, as YAML. */
export function kubeconfigFor(url: string, token: string): string {
  const name = "embedded";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: url } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
