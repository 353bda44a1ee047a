import type { Json } from "./json.ts";

/** One write that was done, in the order of doing. */
export interface WriteLogEntry {
  /** Wall time in ms, by the server's clock. */
  tMs: number;
  user: string;
  userAgent: string;
  verb: "create" | "update" | "patch" | "delete";
  /** The plural, with `/status` or another subresource where there is one. */
  resource: string;
  group: string;
  namespace: string;
  name: string;
  /** The object's resource version after the write. */
  resourceVersion: string;
  /** What the client sent: the object, the patch, or the delete options. */
  body: Json;
}
