import type { Faults } from "./faults.ts";
import type { ObjectDeleter } from "./object-deleter.ts";
import type { ObjectReader } from "./object-reader.ts";
import type { ObjectWriter } from "./object-writer.ts";
import type { Rbac } from "./rbac.ts";
import type { ResourceRegistry } from "./resource-registry.ts";
import type { Snapshot, Store } from "./store.ts";
import type { Tokens } from "./tokens.ts";

/** Everything one API server is made of. */
export interface ServerParts {
  store: Store;
  registry: ResourceRegistry;
  reader: ObjectReader;
  writer: ObjectWriter;
  deleter: ObjectDeleter;
  tokens: Tokens;
  rbac: Rbac;
  faults: Faults<Snapshot>;
  nowMs: () => number;
  bookmarkIntervalMs: number;
}
