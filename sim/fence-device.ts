import type { FenceDevice } from "../src/fencing/driver/fence-device.ts";
import { sameFenceSlot } from "../src/observation/sightings.ts";
import type { FenceSlot } from "../src/protocol/fence-record.ts";
import type { AgentProcess } from "./agent-process.ts";
import { fenceSlot, GARBAGE } from "./shared-device.ts";

/** The device behind the disk worker that an agent process has at the time. */
export function fenceDevice(agent: AgentProcess): FenceDevice {
  const { boot } = agent;
  return {
    readFence(nodeID, answer) {
      let found: FenceSlot = { kind: "empty" };
      agent.worker.submit({
        write: null,
        read: (device, moment) => {
          if (moment === "fences") {
            found = device.fence(nodeID);
          }
        },
        done: (error) =>
          agent.whenRunning(() =>
            answer(error === null ? { ok: true, reply: found } : { ok: false, error }),
          ),
      });
    },
    writeFence(record, answer) {
      const { targetNodeID } = record;
      let readBack: FenceSlot = { kind: "empty" };
      agent.worker.submit({
        read: null,
        write: {
          land: (device) => device.putFence(targetNodeID, fenceSlot(record)),
          tear: (device) => device.putFence(targetNodeID, GARBAGE),
          readBack: (device) => {
            readBack = device.fence(targetNodeID);
          },
        },
        done: (error) => {
          const endedMs = boot.rawMs();
          agent.whenRunning(() =>
            answer(
              error === null ? { ok: true, reply: { readBack, endedMs } } : { ok: false, error },
            ),
          );
        },
      });
    },
    replaceFence(expected, record, answer) {
      const { targetNodeID } = record;
      let replaced = false;
      let readBack: FenceSlot = { kind: "empty" };
      agent.worker.submit({
        read: (device) => {
          const found = device.fence(targetNodeID);
          replaced =
            sameFenceSlot(found, expected) ||
            (found.kind === "unreadable" && expected.kind === "unreadable");
        },
        write: {
          land: (device) => {
            if (replaced) {
              device.putFence(targetNodeID, fenceSlot(record));
            }
          },
          tear: (device) => {
            if (replaced) {
              device.putFence(targetNodeID, GARBAGE);
            }
          },
          readBack: (device) => {
            readBack = device.fence(targetNodeID);
          },
        },
        done: (error) =>
          agent.whenRunning(() => {
            if (error !== null) {
              answer({ ok: false, error });
              return;
            }
            if (replaced && sameFenceSlot(readBack, fenceSlot(record))) {
              const verb = expected.kind === "unreadable" ? "repairs" : "clears";
              boot.machine.world.say?.(
                `${boot.machine.nodeName} ${verb} fence slot ${targetNodeID}`,
              );
            }
            answer({ ok: true, reply: { replaced, readBack } });
          }),
      });
    },
  };
}
