/** The summary at the end of a preview or a deployment. */
import type { Change, Kind } from "./change";

/** How many resources of each kind the program declares. */
export type Totals = Readonly<Partial<Record<Kind, number>>>;

type Words = Readonly<Record<Change["operation"], string>>;

/** Words for planned operations. */
const PLANNED: Readonly<Record<"images" | "commands" | "others", Words>> = {
  images: { create: "new", replace: "rebuild", update: "rebuild", remove: "left out" },
  commands: { create: "run", replace: "run again", update: "updated", remove: "removed" },
  others: { create: "new", replace: "replaced", update: "updated in place", remove: "removed" },
};

/** Words for finished operations, if they differ. */
const DONE: Readonly<Record<string, string>> = { rebuild: "rebuilt", run: "ran", "run again": "ran again" };

/** Named even if nothing changes. */
const ALWAYS: readonly Kind[] = ["images", "containers", "volumes"];
const OTHERS: readonly Kind[] = ["networks", "commands"];

function grouped(changes: readonly Change[], key: (change: Change) => string): Map<string, Change[]> {
  const groups = new Map<string, Change[]>();
  for (const change of changes) groups.set(key(change), [...(groups.get(key(change)) ?? []), change]);
  return groups;
}

/** Names and reasons: ` (asr, mux: image; queue: memory limit)`. No names if all of them change for one reason. */
function because(changes: readonly Change[], all: boolean): string {
  const groups = grouped(changes, ({ reasons }) => reasons.map(({ text }) => text).join(", "));
  const parts = [...groups].map(([reason, group]) => {
    const names = all && groups.size === 1 ? "" : group.map(({ name }) => name).join(", ");
    return [names, reason].filter((part) => part !== "").join(": ");
  });
  const text = parts.filter((part) => part !== "").join("; ");
  return text === "" ? "" : ` (${text})`;
}

/** Whether the change may not happen, because every reason is uncertain. */
function isUncertain({ reasons }: Change): boolean {
  return reasons.length > 0 && reasons.every(({ certain }) => !certain);
}

function clause(kind: Kind, changes: readonly Change[], total: number, preview: boolean): string {
  if (changes.length === 0) return `${kind}: unchanged`;
  const planned = PLANNED[kind === "images" || kind === "commands" ? kind : "others"];
  const wordOf = ({ failed, operation }: Change): string => {
    const word = planned[operation];
    return failed ? "failed" : preview ? word : (DONE[word] ?? word);
  };
  const phrases = [...grouped(changes, wordOf)].map(([word, group]) => {
    const most = preview && group.some(isUncertain) ? "at most " : "";
    return `${most}${group.length} ${word}${because(group, group.length === total)}`;
  });
  const unchanged = total - changes.filter(({ operation }) => operation !== "remove").length;
  return `${kind}: ${[...phrases, ...(unchanged > 0 ? [`${unchanged} unchanged`] : [])].join(", ")}`;
}

/** One line: how many resources of each kind change and why, for example `images: 1 rebuild (asr: own sources), 20 unchanged; ...`. */
export function summary(changes: readonly Change[], totals: Totals, preview: boolean): string {
  const of = (kind: Kind): Change[] => changes.filter((change) => change.kind === kind);
  const kinds = [...ALWAYS, ...OTHERS.filter((kind) => of(kind).length > 0)];
  return kinds.map((kind) => clause(kind, of(kind), totals[kind] ?? 0, preview)).join("; ");
}

/** A line for each detail of each reason: `asr: own sources: asr.py changed`. */
export function details(changes: readonly Change[]): string[] {
  return changes.flatMap(({ name, reasons }) =>
    reasons.flatMap(({ text, details: found = [] }) => found.map((detail) => `${name}: ${text}: ${detail}`)),
  );
}
