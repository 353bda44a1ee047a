import type { SlotSighting } from "../observation/sightings.ts";

/**
 * Two boots of one machine ID that have both moved since the later of them came: two machines. One that
 * moved since is no late write, since of each agent start one write at most can be under way.
 */
export function runsTwice(
  slot: SlotSighting | undefined,
  nodeName: string,
  machineID: string,
): readonly [string, string] | null {
  const boots = (slot?.boots ?? []).filter(
    ({ record }) => record.nodeName === nodeName && record.machineID === machineID,
  );
  for (const first of boots) {
    const second = boots.find(
      (later) =>
        later.firstShownMs > first.firstShownMs &&
        later.moved !== null &&
        first.moved !== null &&
        first.moved.fromMs >= later.firstShownMs,
    );
    if (second !== undefined) {
      return [first.record.bootID, second.record.bootID];
    }
  }
  return null;
}
