import { InvalidArgumentError } from "commander";

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
