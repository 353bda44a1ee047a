import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

import type { DiskWorker } from "../platform/disk-worker-handle.ts";
import { CliError } from "./cli-error.ts";
import type { DeviceProcessReply, DeviceProcessRequest } from "./device-process.ts";
import type { SurveyReply, SurveyRequest } from "./device-survey.ts";
import type { Terminal } from "./terminal.ts";

/** The process that does the I/O on one device, seen from the command. */
export type DeviceClient = DiskWorker & {
  /** Rejects with a DeviceFailure. */
  ask<Op extends SurveyRequest["op"]>(
    request: SurveyRequest & { readonly op: Op },
  ): Promise<SurveyReply[Op]>;
};

/** What the device process said; `code` is a BlockDeviceErrorCode where it was one. */
export class DeviceFailure extends Error {
  override readonly name = "DeviceFailure";
  readonly code: string | null;

  constructor(message: string, code: string | null) {
    super(message);
    this.code = code;
  }
}

/** For one answer of a device: whoever is at the terminal is told that it hangs. */
export const GIVE_UP_MS = 30_000;

type Pending = {
  readonly resolve: (reply: never) => void;
  readonly reject: (error: Error) => void;
};

/**
 * Starts the process; it ends with `close`, or with this one. Resolves when it runs and has not yet touched
 * the device, so that a machine short of processors is not taken for a device that does not answer.
 *
 * @throws {CliError} `DEVICE`: it ended before
 */
export async function openDeviceClient(devicePath: string): Promise<DeviceClient> {
  const child = fork(fileURLToPath(new URL("device-process.ts", import.meta.url)), [devicePath], {
    // Slots are maps and timestamps bigints.
    serialization: "advanced",
    // None of ours: while it hangs it would hold open the pipes that others read us by.
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  child.stderr?.on("data", (text: Buffer) => process.stderr.write(text));
  const pending = new Map<number, Pending>();
  let ids = 0;

  function failAll(error: Error): void {
    for (const { reject } of pending.values()) {
      reject(error);
    }
    pending.clear();
  }
  child.on("message", (message) => {
    const reply = message as DeviceProcessReply;
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if ("error" in reply) {
      waiting?.reject(new DeviceFailure(reply.error, reply.code));
    } else {
      waiting?.resolve(reply.reply as never);
    }
  });
  child.on("error", (error) => failAll(error));
  child.on("exit", (code, signal) =>
    failAll(
      new DeviceFailure(`The process that reads ${devicePath} ended (${signal ?? code})`, null),
    ),
  );

  await new Promise<void>((resolve, reject) => {
    pending.set(0, {
      resolve: () => resolve(),
      reject: ({ message }) => reject(new CliError("DEVICE", message, { deviceError: null })),
    });
  });

  function send(request: DeviceProcessRequest["request"]): Promise<never> {
    return new Promise((resolve, reject) => {
      ids += 1;
      pending.set(ids, { resolve, reject });
      child.send({ id: ids, request } satisfies DeviceProcessRequest, (error) => {
        if (error !== null) {
          reject(error);
        }
      });
    });
  }

  return {
    ask: (request) => send(request),
    request: (request) => send(request),
    close() {
      // It may hang in the kernel, and is not waited for.
      child.kill("SIGKILL");
      child.stderr?.destroy();
      child.unref();
      child.channel?.unref();
      return Promise.resolve();
    },
  };
}

const NOTE_EVERY_MS = 5_000;

/**
 * What the device answers. Says every few seconds that it does not.
 *
 * @throws {CliError} `DEVICE`: it failed; `DEVICE_SILENT`: not answered within `giveUpMs`
 */
export async function answerOf<Reply>(
  terminal: Terminal,
  devicePath: string,
  reply: Promise<Reply>,
  giveUpMs: number,
): Promise<Reply> {
  const startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      const silentMs = performance.now() - startedMs;
      if (silentMs >= giveUpMs) {
        reject(
          new CliError(
            "DEVICE_SILENT",
            `${devicePath} has not answered for ${Math.round(silentMs / 1_000)} s, so nothing is ` +
              `known of what it holds; its nodes reset themselves if they cannot reach it either. ` +
              `Check the storage and the paths to it, and try again.`,
          ),
        );
      } else {
        terminal.progress(
          "silent",
          `${devicePath} has not answered for ${Math.round(silentMs / 1_000)} s; Ctrl-C gives up`,
        );
      }
    }, NOTE_EVERY_MS);
  });
  try {
    return await Promise.race([reply, silence]);
  } catch (error) {
    if (error instanceof DeviceFailure) {
      throw new CliError("DEVICE", error.message, { deviceError: error.code });
    }
    throw error;
  } finally {
    clearInterval(timer);
  }
}
