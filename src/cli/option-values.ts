import { InvalidArgumentError, Option } from "commander";

const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** For a commander option: a whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) {
      return value;
    }
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** For a commander option: seconds, whole or with a fraction, above 0. */
export function positiveSeconds(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= 1_000_000) {
    return value;
  }
  throw new InvalidArgumentError("It must be a number of seconds above 0.");
}

/** For a commander option: a boot ID as the kernel writes it. */
export function bootID(text: string): string {
  if (UID.test(text)) {
    return text;
  }
  throw new InvalidArgumentError("It must be a boot ID, 8-4-4-4-12 lower-case hex digits.");
}

/** For a commander option: the UID of an object. An empty one is what a kubectl that failed has printed. */
export function objectUID(text: string): string {
  if (UID.test(text)) {
    return text;
  }
  throw new InvalidArgumentError("It must be a UID, 8-4-4-4-12 lower-case hex digits.");
}

/** For a commander option: `namespace/name`. */
export function namespacedName(text: string): string {
  if (/^[^/]+\/[^/]+$/.test(text)) {
    return text;
  }
  throw new InvalidArgumentError("It must be namespace/name.");
}

/** For a commander option: UIDs with commas between them, or `none`. */
export function uidList(text: string): readonly string[] {
  const uids = text === "none" ? [] : text.split(",");
  if (uids.every((uid) => UID.test(uid))) {
    return uids;
  }
  throw new InvalidArgumentError("It must be UIDs with commas between them, or 'none'.");
}

/** The cluster that a device must belong to; an agent's pod has it in its environment. */
export function clusterOption(): Option {
  return new Option(
    "--cluster-uid <uid>",
    "UID of namespace kube-system of the cluster whose device it must be (default: of the one that kubectl " +
      "would reach, if it answers)",
  )
    .env("SBD_CLUSTER_UID")
    .argParser(objectUID);
}
