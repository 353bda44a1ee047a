import type { Command } from "commander";

import { VERSION } from "../program/version.ts";
import { CLI_ERRORS } from "./cli-error.ts";
import { EXIT_CODE, EXIT_CODE_MEANINGS } from "./exit-code.ts";

/** A command with its words, and what its help says of it. */
type Entry = {
  readonly usage: string;
  readonly details: string;
  readonly options: readonly (readonly [flags: string, description: string])[];
};

const ABOUT =
  "sbdctl looks at, and works on, a cluster that is fenced by storage-based death: its nodes, its shared " +
  "device and its watchdogs. Installed as kubectl-sbd it is kubectl's plugin sbd.";

const GENERAL = [
  "The answer goes to standard output, all else to standard error. Every screen fits 80 columns. Colours " +
    "are for terminals, and NO_COLOR turns them off. A reader that goes away is no fault.",
  "With -o json the answer is one JSON document (with --watch one a line) whose fields are named with each " +
    "command and stay: fields may be added, and none changes its meaning or goes. Instants are RFC 3339 in " +
    "UTC, durations are in ms or seconds as the name says. Every failure, also one of the command line, " +
    "answers {error: {code, message}} beside whatever is known.",
];

/** The manual page, in roff. */
export function manualPage(program: Command): string {
  const lines = [
    `.TH SBDCTL 8 "" "sbd-operator ${VERSION}" "sbd-operator"`,
    ".SH NAME",
    "sbdctl \\- eyes and hands for storage-based death",
    ".SH SYNOPSIS",
    ".B sbdctl",
    "\\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]",
    ".SH DESCRIPTION",
    roff(ABOUT),
    ...GENERAL.flatMap((text) => [".PP", roff(text)]),
    ".SH COMMANDS",
    ...entries(program).flatMap(({ usage, details, options }) => [
      `.SS ${roff(usage)}`,
      roff(details),
      ...options.flatMap(([flags, text]) => [".TP", `.B ${roff(flags)}`, roff(text)]),
    ]),
    ".SH EXIT STATUS",
    ...exitRows().flatMap(([code, text]): string[] => [".TP", `.B ${code}`, roff(text)]),
    ".SH ERRORS",
    ...errorRows().flatMap(([code, exit, text]) => [
      ".TP",
      `.B ${roff(code)} (${exit})`,
      roff(text),
    ]),
    "",
  ];
  return lines.join("\n");
}

/** The same as docs/sbdctl.md. */
export function manualMarkdown(program: Command): string {
  return [
    "# sbdctl",
    "",
    "<!-- Written by `make reference`; edit src/cli/ instead. -->",
    "",
    ABOUT,
    ...GENERAL.flatMap((text) => ["", text]),
    "",
    "## Commands",
    ...entries(program).flatMap(({ usage, details, options }) => [
      "",
      `### ${escaped(usage)}`,
      "",
      escaped(details),
      ...(options.length === 0 ? [] : [""]),
      ...options.map(([flags, text]) => `- \`${flags}\`: ${escaped(text)}`),
    ]),
    "",
    "## Exit codes",
    "",
    ...table(["code", "meaning"], exitRows()),
    "",
    "## Errors",
    "",
    ...table(
      ["`error.code`", "exit", "meaning"],
      errorRows().map(([code, exit, text]) => [`\`${code}\``, exit, text]),
    ),
    "",
  ].join("\n");
}

function entries(command: Command, words = "sbdctl"): Entry[] {
  const help = command.createHelp();
  return help.visibleCommands(command).flatMap((child): Entry[] => {
    if (child.name() === "help") return [];
    const called = `${words} ${child.name()}`;
    if (child.commands.length > 0) return entries(child, called);
    const args = child.registeredArguments.map((argument) =>
      argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
    );
    return [
      {
        usage: [called, ...args].join(" "),
        details: sentence(child.description()),
        options: help
          .visibleOptions(child)
          .filter(({ long }) => long !== "--help")
          .map((option) => [option.flags, help.optionDescription(option)] as const),
      },
    ];
  });
}

/** Summary and details stand in two paragraphs of a description. */
function sentence(description: string): string {
  const [summary = "", ...details] = description.split("\n\n");
  const first = summary.charAt(0).toUpperCase() + summary.slice(1);
  return [`${first}.`, ...details].join(" ");
}

function exitRows(): readonly (readonly [code: string, text: string])[] {
  return (Object.keys(EXIT_CODE) as (keyof typeof EXIT_CODE)[]).map((name) => [
    String(EXIT_CODE[name]),
    EXIT_CODE_MEANINGS[name],
  ]);
}

function errorRows(): readonly (readonly [code: string, exit: string, text: string])[] {
  return Object.entries(CLI_ERRORS).map(([code, [exit, text]]) => [code, String(exit), text]);
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ")} |`;
  return [line(titles), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}

function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}

function escaped(text: string): string {
  return text.replaceAll(/([<>*_])/g, "\\$1");
}
