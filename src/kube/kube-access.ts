/** Where the API server is, and how to prove who asks. */
export type KubeAccess = {
  readonly server: URL;
  /** http:, https: or socks5:; null: straight. */
  readonly proxyUrl: string | null;
  /** Asked before each exchange, since tokens and certificates are rotated. */
  credentials(): Promise<Credentials>;
};

export type Credentials = {
  readonly tls: TlsMaterial;
  readonly headers: Readonly<Record<string, string>>;
};

/** As `tls.connect` has them, PEM; what is left out is as Node.js has it. */
export type TlsMaterial = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
};

/** Thrown where there is no way to the API server. */
export class KubeConfigError extends Error {
  override readonly name = "KubeConfigError";
}
