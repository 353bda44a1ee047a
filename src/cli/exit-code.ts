/** What sbdctl's exit says to a script. */
export const EXIT_CODE = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
} as const;

export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];

/** The same in words, for the manual. */
export const EXIT_CODE_MEANINGS: Readonly<Record<keyof typeof EXIT_CODE, string>> = {
  done: "What was asked for is done; where a death was asked for, it is proven.",
  failed: "It was tried and failed; device or watchdog may be in a state of its own.",
  usage: "The command line makes no sense; nothing was touched.",
  refused: "Refused for safety and nothing written, or written and not proven.",
};

/** For `--help`. */
export const EXIT_CODE_HELP = `
Exit codes: 0 done, 1 failed, 2 usage, 3 refused or not proven.`;
