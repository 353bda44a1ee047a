/** True where tests run against a real API server: some of them are of what only the embedded one can do. */
export function isRealServer(): boolean {
  return (process.env["SBD_KUBE_APISERVER"] ?? "") !== "";
}
