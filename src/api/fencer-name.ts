const PREFIX = "sbd-fencer-";

/**
 * Whom the operator names where `fencerPlacement` is Operator: the Deployment of that SBDConfig, and
 * the Lease that its fencer at work holds.
 */
export function fencerNameOf(configName: string): string {
  return `${PREFIX}${configName}`;
}

export function isFencerName(name: string): boolean {
  return name.startsWith(PREFIX);
}
