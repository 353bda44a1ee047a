import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { RunningServer } from "../../src/testing/kube-apiserver/blocking-client.ts";
import { makeWorkFolder } from "../vm/work-folder.ts";
import { CertificateAuthority } from "./certificates.ts";
import type { KubeBinaries, KubeProgram } from "./kube-binaries.ts";

const READY_WITHIN_MS = 180_000;

/** What a control plane is to be beside etcd and kube-apiserver. */
export type ControlPlaneOptions = {
  /** `--controllers` of kube-controller-manager; undefined: none is started. */
  readonly controllers?: string;
  /** More flags of kube-controller-manager. */
  readonly controllerFlags?: readonly string[];
  readonly scheduler?: boolean;
  /** More flags of kube-apiserver. */
  readonly serverFlags?: readonly string[];
  /** Under which more names kube-apiserver is spoken to, for example `IP:10.0.2.2`. */
  readonly names?: string;
};

/** A control plane of real Kubernetes programs on loopback, in a folder of its own. */
export class ControlPlane {
  readonly folder: string;
  readonly authority: CertificateAuthority;
  readonly #binaries: KubeBinaries;
  readonly #options: ControlPlaneOptions;
  readonly #children = new Map<KubeProgram, ChildProcess>();
  #ports: { etcd: number; peer: number; server: number; controllers: number; scheduler: number } = {
    etcd: 0,
    peer: 0,
    server: 0,
    controllers: 0,
    scheduler: 0,
  };

  private constructor(binaries: KubeBinaries, options: ControlPlaneOptions) {
    this.#binaries = binaries;
    this.#options = options;
    this.folder = makeWorkFolder("sbd-kube-");
    mkdirSync(join(this.folder, "logs"));
    this.authority = new CertificateAuthority(join(this.folder, "pki"));
  }

  /** Starts everything and waits until kube-apiserver is ready. */
  static async start(
    binaries: KubeBinaries,
    options: ControlPlaneOptions = {},
  ): Promise<ControlPlane> {
    const plane = new ControlPlane(binaries, options);
    try {
      await plane.#start();
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  get url(): string {
    return `https://127.0.0.1:${this.#ports.server}`;
  }

  get serverPort(): number {
    return this.#ports.server;
  }

  /** `http://127.0.0.1:<port>` of etcd. */
  get etcdUrl(): string {
    return `http://127.0.0.1:${this.#ports.etcd}`;
  }

  /** A kubeconfig file of an administrator. */
  get adminKubeconfig(): string {
    return this.authority.path("admin.kubeconfig");
  }

  /** Path of the audit log: one JSON line per request that was answered. */
  get auditLog(): string {
    return join(this.folder, "audit.log");
  }

  /** Path of a file for `SBD_KUBE_APISERVER`. */
  describe(): string {
    const path = join(this.folder, "server.json");
    const { authority } = this;
    const description: RunningServer = {
      url: this.url,
      version: this.#binaries.version,
      ca: authority.path("ca.crt"),
      adminCert: authority.path("admin.crt"),
      adminKey: authority.path("admin.key"),
      frontCert: authority.path("front.crt"),
      frontKey: authority.path("front.key"),
    };
    writeFileSync(path, JSON.stringify(description));
    return path;
  }

  /** Sends a signal to one program, for example SIGSTOP to etcd. */
  signal(program: KubeProgram, signal: NodeJS.Signals): void {
    this.#children.get(program)?.kill(signal);
  }

  /** Kills a program and waits until it is gone. */
  async kill(program: KubeProgram): Promise<void> {
    const child = this.#children.get(program);
    this.#children.delete(program);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    // A stopped process dies of this too.
    child.kill("SIGKILL");
    await gone;
  }

  /** Starts kube-apiserver (again) and waits until it is ready. */
  async startServer(): Promise<void> {
    const { authority: pki, folder } = this;
    this.#spawn("kube-apiserver", [
      `--etcd-servers=${this.etcdUrl}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--secure-port=${this.#ports.server}`,
      "--endpoint-reconciler-type=none",
      "--authorization-mode=Node,RBAC",
      "--enable-admission-plugins=NodeRestriction",
      `--client-ca-file=${pki.path("ca.crt")}`,
      `--tls-cert-file=${pki.path("apiserver.crt")}`,
      `--tls-private-key-file=${pki.path("apiserver.key")}`,
      `--kubelet-certificate-authority=${pki.path("ca.crt")}`,
      `--kubelet-client-certificate=${pki.path("admin.crt")}`,
      `--kubelet-client-key=${pki.path("admin.key")}`,
      `--requestheader-client-ca-file=${pki.path("ca.crt")}`,
      "--requestheader-allowed-names=front-proxy",
      "--requestheader-username-headers=X-Remote-User",
      "--requestheader-group-headers=X-Remote-Group",
      "--requestheader-extra-headers-prefix=X-Remote-Extra-",
      `--service-account-key-file=${pki.path("sa.pub")}`,
      `--service-account-signing-key-file=${pki.path("sa.key")}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      "--allow-privileged=true",
      "--service-cluster-ip-range=10.96.0.0/24",
      `--audit-log-path=${this.auditLog}`,
      `--audit-policy-file=${join(folder, "audit-policy.yaml")}`,
      `--cert-dir=${join(folder, "apiserver-certs")}`,
      ...(this.#options.serverFlags ?? []),
    ]);
    await this.whenReady();
  }

  /** Ends everything and removes the folder. */
  async stop(): Promise<void> {
    const programs = [...this.#children.keys()].toReversed();
    for (const program of programs) await this.kill(program);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The last lines that a program has logged. */
  lastLines(program: KubeProgram, count = 15): string {
    const log = readFileSync(join(this.folder, "logs", program), "utf8");
    return log.trimEnd().split("\n").slice(-count).join("\n");
  }

  async #start(): Promise<void> {
    const [etcd = 0, peer = 0, server = 0, controllers = 0, scheduler = 0] = await freePorts(5);
    this.#ports = { etcd, peer, server, controllers, scheduler };
    this.#issueCertificates();
    writeFileSync(
      join(this.folder, "audit-policy.yaml"),
      JSON.stringify({
        apiVersion: "audit.k8s.io/v1",
        kind: "Policy",
        omitStages: ["RequestReceived"],
        rules: [{ level: "Metadata" }],
      }),
    );
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.#spawn("etcd", [
      ...["--name", "test", "--data-dir", join(this.folder, "etcd")],
      ...["--listen-client-urls", this.etcdUrl, "--advertise-client-urls", this.etcdUrl],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ...["--initial-cluster", `test=${peerUrl}`, "--log-level", "warn"],
      // Nothing here outlives the run.
      "--unsafe-no-fsync",
    ]);
    await this.startServer();
    const { controllers: names, controllerFlags = [] } = this.#options;
    if (names !== undefined) {
      this.#spawn("kube-controller-manager", [
        ...this.#clientFlags("kube-controller-manager", controllers),
        `--service-account-private-key-file=${this.authority.path("sa.key")}`,
        `--root-ca-file=${this.authority.path("ca.crt")}`,
        "--use-service-account-credentials=true",
        `--controllers=${names}`,
        ...controllerFlags,
      ]);
    }
    if (this.#options.scheduler === true) {
      this.#spawn("kube-scheduler", this.#clientFlags("kube-scheduler", scheduler));
    }
  }

  #clientFlags(program: KubeProgram, port: number): string[] {
    const kubeconfig = this.authority.path(`${program}.kubeconfig`);
    return [
      ...["", "authentication-", "authorization-"].map((use) => `--${use}kubeconfig=${kubeconfig}`),
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      "--leader-elect=false",
      `--cert-dir=${join(this.folder, `${program}-certs`)}`,
    ];
  }

  #issueCertificates(): void {
    const pki = this.authority;
    const names = ["IP:127.0.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc"];
    if (this.#options.names !== undefined) names.push(this.#options.names);
    pki.issueKeyPair("sa");
    pki.issue({
      name: "apiserver",
      subject: "/CN=kube-apiserver",
      use: "serverAuth",
      names: names.join(","),
    });
    for (const [name, subject] of [
      ["admin", "/O=system:masters/CN=admin"],
      ["front", "/CN=front-proxy"],
      ["kube-controller-manager", "/CN=system:kube-controller-manager"],
      ["kube-scheduler", "/CN=system:kube-scheduler"],
    ] as const) {
      pki.issue({ name, subject, use: "clientAuth" });
      pki.kubeconfig(name, this.url);
    }
  }

  #spawn(program: KubeProgram, args: readonly string[]): void {
    const log = openSync(join(this.folder, "logs", program), "a");
    // Ends with this process, also when that is killed: the kernel sees to it.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", this.#binaries.path(program), ...args], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#children.set(program, child);
  }

  /** Waits until kube-apiserver says that it is ready. */
  async whenReady(): Promise<void> {
    const endMs = performance.now() + READY_WITHIN_MS;
    while (!(await this.#isReady())) {
      const child = this.#children.get("kube-apiserver");
      if (child?.exitCode !== null || performance.now() > endMs) {
        const lines = `${this.lastLines("kube-apiserver")}\n${this.lastLines("etcd", 3)}`;
        throw new Error(`kube-apiserver is not ready:\n${lines}`);
      }
      await delay(100);
    }
  }

  async #isReady(): Promise<boolean> {
    const pki = this.authority;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const asked = request(
      `${this.url}/readyz`,
      {
        ca: readFileSync(pki.path("ca.crt")),
        cert: readFileSync(pki.path("admin.crt")),
        key: readFileSync(pki.path("admin.key")),
        timeout: 2_000,
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(false));
    asked.end();
    return promise;
  }
}

/** Ports of loopback that are free now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) server.close();
  return ports;
}
