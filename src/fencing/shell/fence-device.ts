import type { DiskWorker } from "../../platform/disk-worker-handle.ts";
import type { FenceSlot } from "../../protocol/fence-record.ts";
import type { DeviceAnswer, FenceDevice } from "../driver/fence-device.ts";

/** The device behind a disk worker, as drivers ask for it. */
export function fenceDevice(worker: DiskWorker): FenceDevice {
  return {
    readFence(nodeID, answer) {
      const read = worker.request({ op: "read-regions" });
      void tell(read, ({ fences }): FenceSlot => fences.get(nodeID) ?? { kind: "empty" }, answer);
    },
    writeFence(record, answer) {
      const written = worker.request({ op: "write-fence", record });
      void tell(written, ({ readBack, endedRawMs }) => ({ readBack, endedMs: endedRawMs }), answer);
    },
    replaceFence(expected, record, answer) {
      const replaced = worker.request({ op: "replace-fence", expected, record });
      void tell(replaced, ({ replaced, readBack }) => ({ replaced, readBack }), answer);
    },
  };
}

async function tell<Reply, Told>(
  reply: Promise<Reply>,
  as: (reply: Reply) => Told,
  answer: (told: DeviceAnswer<Told>) => void,
): Promise<void> {
  let told: DeviceAnswer<Told>;
  try {
    told = { ok: true, reply: as(await reply) };
  } catch (error) {
    told = { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
  answer(told);
}
