/**
 * A process with a disk worker, for tests that preload the interposer: it carries out requests that come
 * over its IPC channel one after the other, and says when its worker was replaced.
 *
 *     node disk-worker-child.ts DEVICE
 */
import type { DeviceReply, DeviceRequest } from "../device-request.ts";
import { startDiskWorker } from "../disk-worker-handle.ts";
import { hostClock } from "../host-clock.ts";

export type ToChild = { readonly id: number; readonly request: DeviceRequest };
export type FromChild =
  | { readonly type: "replaced" }
  | { readonly type: "failed"; readonly id: number; readonly error: string }
  | {
      readonly type: "done";
      readonly id: number;
      readonly reply: DeviceReply[DeviceRequest["op"]];
      /** Right before the request was queued and right after it was answered. */
      readonly fromRawMs: number;
      readonly toRawMs: number;
    };

const worker = startDiskWorker(process.argv[2] ?? "", () => send({ type: "replaced" }));

process.on("message", ({ id, request }: ToChild) => {
  const fromRawMs = hostClock.rawMs();
  worker.request(request).then(
    (reply) => send({ type: "done", id, reply, fromRawMs, toRawMs: hostClock.rawMs() }),
    (error: unknown) => send({ type: "failed", id, error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));

function send(message: FromChild): void {
  process.send?.(message);
}
