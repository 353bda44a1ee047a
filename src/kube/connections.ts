import { Pool, ProxyAgent, Socks5ProxyAgent, type Dispatcher } from "undici";

import type { KubeAccess, TlsMaterial } from "./kube-access.ts";

/** Connections to the API server, kept alive and used again. */
export type Connections = {
  /** What an exchange goes over; the connections are made anew where the certificates are others. */
  over(tls: TlsMaterial, use: "request" | "stream"): Dispatcher;
  /**
   * No answer has come since then, on any of them: a partition may have taken all of them, and each
   * would cost its next user a timeout. What is under way on them is left to end by itself.
   */
  distrust(sinceMs: number): void;
  answered(): void;
  close(): void;
};

/** As many exchanges are under way at once; a watch has a connection of its own besides. */
export const REQUESTS_AT_ONCE = 8;
/** Below the 90 s after which API servers and balancers close an idle connection by themselves. */
const IDLE_MS_MAX = 30_000;
const CONNECT_MS_MAX = 5_000;

/**
 * HTTP/1.1 over undici's pools. Not HTTP/2: all watches, questions and the lease would share one TCP
 * connection, and a lost segment, or a balancer that has forgotten it, would stall all of them at once.
 */
export function createConnections({ server, proxyUrl }: KubeAccess): Connections {
  let current: { readonly tls: TlsMaterial; readonly pools: Pools } | null = null;
  let answeredMs = -Infinity;

  function poolOf(tls: TlsMaterial, connections: number | null): Dispatcher {
    const { origin } = server;
    const connect = { ...tls, timeout: CONNECT_MS_MAX };
    const options = {
      connections,
      allowH2: false,
      keepAliveTimeout: IDLE_MS_MAX,
      // The caller's deadline ends an exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    if (proxyUrl === null) {
      return new Pool(origin, { ...options, connect });
    }
    return proxyUrl.startsWith("socks")
      ? new Socks5ProxyAgent(proxyUrl, { ...options, requestTls: connect })
      : new ProxyAgent({ ...options, uri: proxyUrl, requestTls: connect, proxyTunnel: true });
  }

  function letGo(): void {
    if (current !== null) {
      void current.pools.request.close();
      void current.pools.stream.close();
    }
    current = null;
  }

  return {
    over(tls, use) {
      if (current !== null && !isSame(current.tls, tls)) {
        letGo();
      }
      current ??= {
        tls,
        pools: { request: poolOf(tls, REQUESTS_AT_ONCE), stream: poolOf(tls, null) },
      };
      return current.pools[use];
    },
    distrust(sinceMs) {
      if (answeredMs < sinceMs) letGo();
    },
    answered() {
      answeredMs = performance.now();
    },
    close() {
      if (current !== null) {
        void current.pools.request.destroy();
        void current.pools.stream.destroy();
      }
      current = null;
    },
  };
}

type Pools = { readonly request: Dispatcher; readonly stream: Dispatcher };

function isSame(a: TlsMaterial, b: TlsMaterial): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
