import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ApiServer } from "../../testing/apiserver/start-api-server.ts";
import { createKubeClient, type KubeClient } from "../kube-client.ts";
import { kubeConfigAccess } from "../kube-config-file.ts";

/** A client of an embedded API server, through a kubeconfig file as in production. */
export function embeddedClient(
  server: ApiServer,
  { token = server.adminToken, userAgent = "kube-test" } = {},
): KubeClient {
  const directory = mkdtempSync(join(tmpdir(), "sbd-kubeconfig-"));
  try {
    const file = join(directory, "config");
    writeFileSync(file, server.kubeconfig(token));
    return createKubeClient(kubeConfigAccess([file], "of a test"), userAgent);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
