import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { InstalledCluster } from "./installed-cluster.ts";
import { RealCluster } from "./real-cluster.ts";
import type { RealClusterParts } from "./real-cluster.ts";

/** One cluster for scenario after scenario; after one that failed, another. */
export class Rig {
  readonly #workFolder: string;
  #starting: Promise<RealCluster> | undefined;
  #installed: InstalledCluster | undefined;
  #count = 0;

  constructor(workFolder: string) {
    this.#workFolder = workFolder;
  }

  get folder(): string {
    return join(this.#workFolder, String(this.#count));
  }

  get installed(): InstalledCluster | undefined {
    return this.#installed;
  }

  async start(parts: RealClusterParts): Promise<InstalledCluster> {
    this.#count += 1;
    mkdirSync(this.folder, { recursive: true });
    this.#starting = RealCluster.start(parts, this.folder);
    this.#installed = new InstalledCluster(await this.#starting);
    return this.#installed;
  }

  async stop(): Promise<void> {
    const starting = this.#starting;
    this.#starting = undefined;
    this.#installed?.healthCheck.stop();
    this.#installed = undefined;
    // One that failed to start has stopped itself.
    const real = await starting?.catch(() => undefined);
    await real?.stop();
  }
}
