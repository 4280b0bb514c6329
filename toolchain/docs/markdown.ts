/** Markdown tables, and the generated parts of documents, each between its own markers. */

/** A table; with "figures" all columns but the first are right-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], columns: "text" | "figures" = "text"): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = head.map((_, index) => (columns === "figures" && index > 0 ? "---:" : "---"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** A generated part of a document: its name, and the command that writes it. */
export interface Part {
  readonly name: string;
  readonly madeBy: string;
}

const markers = ({ name, madeBy }: Part): readonly [string, string] => [`<!-- ${name}: made by ${madeBy} -->`, `<!-- end of ${name} -->`];

/** A part's content between its markers. */
export function marked(part: Part, content: string): string {
  const [begin, end] = markers(part);
  return `${begin}\n\n${content}\n\n${end}`;
}

/**
 * The text with the part replaced; undefined if it has no such part.
 * @throws Error if one of the part's markers is missing.
 */
export function withPart(text: string, part: Part, content: string): string | undefined {
  const [begin, end] = markers(part);
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 && to < 0) return undefined;
  if (from < 0 || to < from) throw new Error(`one of the markers of ${part.name} is missing`);
  return text.slice(0, from) + marked(part, content) + text.slice(to + end.length);
}
