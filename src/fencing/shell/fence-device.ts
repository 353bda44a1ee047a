import type { DiskWorker } from "../../platform/disk-worker-handle.ts";
import type { FenceRecord, FenceSlot } from "../../protocol/fence-record.ts";
import type { DeviceAnswer, FenceDevice, FenceWritten } from "../driver/fence-device.ts";

/** The device behind a disk worker, as drivers ask for it. */
export function fenceDevice(worker: DiskWorker): FenceDevice {
  return {
    readFence(nodeID, answer) {
      void answerWith(readFence(nodeID), answer);
    },
    writeFence(record, answer) {
      void answerWith(writeFence(record), answer);
    },
    replaceFence(expected, record, answer) {
      void answerWith(worker.request({ op: "replace-fence", expected, record }), answer);
    },
  };

  async function readFence(nodeID: number): Promise<FenceSlot> {
    const { fences } = await worker.request({ op: "read-regions" });
    return fences.get(nodeID) ?? { kind: "empty" };
  }

  async function writeFence(record: FenceRecord): Promise<FenceWritten> {
    const { readBack, endedRawMs } = await worker.request({ op: "write-fence", record });
    return { readBack, endedMs: endedRawMs };
  }
}

/** Answers with what a request comes to. */
export async function answerWith<Reply>(
  pending: Promise<Reply>,
  answer: (told: DeviceAnswer<Reply>) => void,
): Promise<void> {
  let told: DeviceAnswer<Reply>;
  try {
    told = { ok: true, reply: await pending };
  } catch (error) {
    told = { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
  answer(told);
}
