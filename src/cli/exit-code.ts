/** What sbdctl's exit says to a script. */
export const EXIT_CODE = {
  /** What was asked for is done; for `device fence`, the death is proven. */
  done: 0,
  /** It was tried and failed; the device or the watchdog may be in a state of its own. */
  failed: 1,
  /** The command line makes no sense; nothing was touched. */
  usage: 2,
  /** Refused for safety and nothing written, or written and not proven. */
  refused: 3,
} as const;

export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];

/** For `--help`. */
export const EXIT_CODE_HELP = `
Exit codes: 0 done, 1 failed, 2 usage, 3 refused or not proven.`;
