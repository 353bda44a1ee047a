import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A certificate to be issued. */
export type CertificateRequest = {
  /** Of the files `<name>.crt` and `<name>.key`. */
  readonly name: string;
  /** For example `/O=system:masters/CN=admin`. */
  readonly subject: string;
  readonly use: "clientAuth" | "serverAuth";
  /** For example `IP:127.0.0.1,DNS:localhost`. */
  readonly names?: string;
};

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
const DAYS = "30";

/** A certificate authority of its own in a folder, by `openssl`: `ca.crt`, `ca.key`. */
export class CertificateAuthority {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.#openssl([
      ..."req -x509 -days".split(" "),
      DAYS,
      ...EC,
      ..."-subj /CN=sbd-test-ca -keyout ca.key -out ca.crt -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign".split(
        " ",
      ),
    ]);
  }

  /** Absolute path of one of its files. */
  path(file: string): string {
    return join(this.folder, file);
  }

  issue({ name, subject, use, names }: CertificateRequest): void {
    writeFileSync(
      this.path(`${name}.ext`),
      [
        "basicConstraints=CA:FALSE",
        "keyUsage=digitalSignature,keyEncipherment",
        `extendedKeyUsage=${use}`,
        ...(names === undefined ? [] : [`subjectAltName=${names}`]),
      ].join("\n"),
    );
    this.#openssl([
      "req",
      ...EC,
      "-subj",
      subject,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
    ]);
    this.#openssl(
      `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days ${DAYS} -extfile ${name}.ext -out ${name}.crt`.split(
        " ",
      ),
    );
  }

  /** A pair of keys for service-account tokens: `<name>.key`, `<name>.pub`. */
  issueKeyPair(name: string): void {
    this.#openssl(`genrsa -out ${name}.key 2048`.split(" "));
    this.#openssl(`rsa -in ${name}.key -pubout -out ${name}.pub`.split(" "));
  }

  /** A kubeconfig for one of its client certificates; returns its path. */
  kubeconfig(name: string, server: string, certificate = name): string {
    const file = this.path(`${name}.kubeconfig`);
    const cluster = { server, "certificate-authority": this.path("ca.crt") };
    const user = {
      "client-certificate": this.path(`${certificate}.crt`),
      "client-key": this.path(`${certificate}.key`),
    };
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "test", cluster }],
        users: [{ name: "test", user }],
        contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
        "current-context": "test",
      }),
    );
    return file;
  }

  #openssl(args: readonly string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" });
  }
}
