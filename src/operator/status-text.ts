import { TEXT_LENGTH_MAX } from "../api/field.ts";

const CUT = "… (cut)";
const NAMED_MAX = 5;

/** A message as a status takes it: the API server would refuse a longer one, and all that goes with it. */
export function statusText(message: string): string {
  return message.length <= TEXT_LENGTH_MAX
    ? message
    : `${message.slice(0, TEXT_LENGTH_MAX - CUT.length)}${CUT}`;
}

/** The first five of a list, and how many more there are. */
export function firstOf(texts: readonly string[]): string {
  const more = texts.length - NAMED_MAX;
  return `${texts.slice(0, NAMED_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
