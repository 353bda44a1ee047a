import type { DeviceHeader } from "../protocol/device-header.ts";
import { deriveTiming, seconds, TimingError } from "../timing/contract.ts";
import { contractDifference } from "../timing/device-agreement.ts";
import type { AgentState } from "./agent-state.ts";
import { log, refuseToServe, type Step } from "./step.ts";

/**
 * Takes the first readable header as the contract of this process, or refuses to serve under it. What
 * was asked for otherwise is said: fencers wait by the header. Only where no UID tells whose device
 * this is, another T than was asked for makes it another device.
 */
export function pinDevice(state: AgentState, header: DeviceHeader): Step {
  const { asked, owner } = state.config;
  if (owner === null && asked.timeoutMs !== null && asked.timeoutMs !== header.timeoutMs) {
    return refuseToServe(
      state,
      `the device was initialised with T = ${seconds(header.timeoutMs)} and this agent was ` +
        `configured with ${seconds(asked.timeoutMs)}. Fencers wait by the device's, so this node stays ` +
        `unarmed; stop all agents and initialise the device again, or correct sbdTimeoutSeconds`,
    );
  }
  try {
    const pinned = { ...state, device: { header, timing: deriveTiming(header) } };
    const difference = contractDifference(header, asked);
    return difference === null
      ? { state: pinned, effects: [] }
      : log(pinned, "warn", `${difference}: this node lives by the device header`);
  } catch (error) {
    if (error instanceof TimingError) {
      return refuseToServe(state, error.message);
    }
    throw error;
  }
}
