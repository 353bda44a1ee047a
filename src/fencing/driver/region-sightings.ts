import { sightFences, sightHeartbeats, type Sightings } from "../../observation/sightings.ts";
import type { RegionsRead } from "../../observation/region-reading.ts";

/** One more read of both regions, on the clock that suspend stops: what fencers judge by. */
export function sightRegions(
  before: Sightings,
  { heartbeats, fences, heartbeatsTimes, fencesTimes }: RegionsRead,
): Sightings {
  const seen = sightHeartbeats(before, {
    startedMs: heartbeatsTimes.startedRawMs,
    endedMs: heartbeatsTimes.endedRawMs,
    slots: heartbeats,
  });
  return sightFences(seen, {
    startedMs: fencesTimes.startedRawMs,
    endedMs: fencesTimes.endedRawMs,
    slots: fences,
  });
}
