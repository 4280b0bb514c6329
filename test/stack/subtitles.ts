/** Parses subtitles and measures their text. */

export interface Cue {
  readonly number: number;
  /** Seconds from the start of the film. */
  readonly start: number;
  readonly end: number;
  readonly lines: string[];
}

const seconds = (hours: string, minutes: string, rest: string): number =>
  Number(hours) * 3600 + Number(minutes) * 60 + Number(rest.replace(",", "."));

/** The cues of a SubRip file. @throws Error if a block is not a cue. */
export function parseSubRip(text: string): Cue[] {
  return text.trim().split(/\r?\n\r?\n/).map((block) => {
    const [number, times, ...lines] = block.split(/\r?\n/);
    const match = /^(\d+):(\d+):([\d,]+) --> (\d+):(\d+):([\d,]+)$/.exec(times ?? "");
    if (match === null) throw new Error(`no subtitle cue: ${block}`);
    const [, h1 = "", m1 = "", s1 = "", h2 = "", m2 = "", s2 = ""] = match;
    return { number: Number(number), start: seconds(h1, m1, s1), end: seconds(h2, m2, s2), lines };
  });
}

const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];

/** Word error rate of a text against its reference: edits divided by the number of words in the reference. */
export function wordErrorRate(reference: string, heard: string): number {
  const [expected, actual] = [words(reference), words(heard)];
  let row = actual.map((_, index) => index + 1);
  row.unshift(0);
  for (const [index, word] of expected.entries()) {
    const next = [index + 1];
    for (const [column, other] of actual.entries()) {
      const substituted = (row[column] ?? 0) + (word === other ? 0 : 1);
      next.push(Math.min(substituted, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return (row.at(-1) ?? 0) / expected.length;
}
