/** As much of a message as the schemas of statuses allow. */
const TEXT_LENGTH_MAX = 4_096;
const CUT = "… (cut)";

/** A message as a status takes it: the API server would refuse a longer one, and all that goes with it. */
export function statusText(message: string): string {
  return message.length <= TEXT_LENGTH_MAX
    ? message
    : `${message.slice(0, TEXT_LENGTH_MAX - CUT.length)}${CUT}`;
}
