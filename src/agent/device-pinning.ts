import type { DeviceHeader } from "../protocol/device-header.ts";
import { deriveTiming, seconds, TimingError } from "../timing/contract.ts";
import type { AgentState } from "./agent-state.ts";
import { refuseToServe, type Step } from "./step.ts";

/** Takes the first readable header as the contract of this process, or refuses to serve under it. */
export function pinDevice(state: AgentState, header: DeviceHeader): Step {
  const wanted = state.config.timeoutMs;
  if (wanted !== null && wanted !== header.timeoutMs) {
    return refuseToServe(
      state,
      `the device was initialised with T = ${seconds(header.timeoutMs)} and this agent was ` +
        `configured with ${seconds(wanted)}. Fencers wait by the device's, so this node stays ` +
        `unarmed; stop all agents and initialise the device again, or correct sbdTimeoutSeconds`,
    );
  }
  try {
    return { state: { ...state, device: { header, timing: deriveTiming(header) } }, effects: [] };
  } catch (error) {
    if (error instanceof TimingError) {
      return refuseToServe(state, error.message);
    }
    throw error;
  }
}
