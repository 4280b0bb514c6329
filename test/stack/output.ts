/** Filters a command's output: its progress, and why it failed. */
import { stripVTControlCharacters } from "node:util";

/** Pulumi's progress line for one resource; `Diagnostics` repeats its messages. */
const PROGRESS = /^[ +~<>=-]*[\w-]+:[\w/-]+:\w+ \S+ [a-z ]+\(\d+(\.\d+)?s\)/;
/** BuildKit's steps, missing caches, layer transfers and Pulumi's progress dots. */
const NOISE = [/^\s*$/, /^\s*#\d+ /, /^\s*-{4,}$/, /cache (importer|manifest)/, /^\s*[0-9a-f]{12}: /, /^@ \w+ing\b/, PROGRESS];
const MILESTONE = /:(Image|Container) \S+ (created|updated)[a-z ]*\(/;
/** The last line of a longer report; the errors before it say more. */
const SUMMARY = /error: (update failed|preview failed|the stack \S+ is not fully (deployed|down))|^make: \*\*\*/;
const MOST_LINES = 30;
const MOST_CHARACTERS = 300;

export function isNoise(line: string): boolean {
  return NOISE.some((pattern) => pattern.test(line));
}

/** Whether the line is shown as progress. */
export function isNews(line: string): boolean {
  return !isNoise(line) || MILESTONE.test(line);
}

/** The line that best says why a command failed: its last error, otherwise its last line. */
function reason(lines: readonly string[]): string {
  const errors = lines.filter((line) => /\berror:/i.test(line));
  const found = errors.findLast((line) => !SUMMARY.test(line)) ?? errors.at(-1) ?? lines.at(-1) ?? "it said nothing";
  return found.replace(/^.*?\berror: */i, "").trim().slice(0, MOST_CHARACTERS);
}

export interface Failure {
  /** The command, as a person would type it. */
  readonly title: string;
  readonly expected: string;
  /** What happened instead, such as `exit 1`. */
  readonly happened: string;
  readonly seconds: number;
  readonly output: string;
  /** File with the whole output. */
  readonly file: string;
}

/** One line with what was expected and why it did not happen, then the relevant part of the output. */
export function failureText({ title, expected, happened, seconds, output, file }: Failure): string {
  const lines = stripVTControlCharacters(output).split("\n").map((line) => line.trimEnd()).filter((line) => !isNoise(line));
  return [
    `${title}: expected to ${expected}, ${happened} after ${Math.round(seconds)} s: ${reason(lines)}`,
    ...lines.slice(-MOST_LINES).map((line) => `  | ${line.slice(0, MOST_CHARACTERS)}`),
    `  the whole output: ${file}`,
  ].join("\n");
}
