import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KINDS, type Change } from "./change";
import { details, summary } from "./summary";

const reason = fc.record({ text: fc.constantFrom("own sources", "parent base", "image", "setting LOG_LEVEL"), certain: fc.boolean() });
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(...Object.values(KINDS)),
  name: fc.stringMatching(/^[a-z]{3,8}$/),
  operation: fc.constantFrom("create", "replace", "update", "remove"),
  reasons: fc.uniqueArray(reason, { selector: ({ text }) => text, maxLength: 2 }),
  failed: fc.boolean(),
});
const changes = fc.uniqueArray(change, { selector: ({ kind, name }) => `${kind} ${name}` });
const OTHERS = 3;

/** As many as change, and three more of each kind. */
const totalsOf = (list: readonly Change[]) =>
  Object.fromEntries(Object.values(KINDS).map((kind) => [kind, OTHERS + list.filter((one) => one.kind === kind && one.operation !== "remove").length]));

const clauseOf = (line: string, kind: string): string | undefined => new RegExp(`(?:^|; )${kind}: (.*?)(?=; [a-z]+: (?:unchanged|at most|\\d)|$)`).exec(line)?.[1];

describe("the closing line", () => {
  it("counts every change once, and the rest as unchanged", () => {
    fc.assert(
      fc.property(changes, fc.boolean(), (list, preview) => {
        const line = summary(list, totalsOf(list), preview);
        for (const kind of Object.values(KINDS)) {
          const expected = list.filter((one) => one.kind === kind);
          const clause = clauseOf(line, kind);
          if (expected.length === 0) {
            expect(clause ?? "unchanged").toBe("unchanged");
            continue;
          }
          const counts = [...(clause?.replaceAll(/\([^)]*\)/g, "").matchAll(/(\d+) ([a-z ]+)/g) ?? [])].map(([, count, word]) => [word?.trim(), Number(count)] as const);
          expect(counts.at(-1)).toEqual(["unchanged", OTHERS]);
          expect(counts.slice(0, -1).reduce((sum, [, count]) => sum + count, 0)).toBe(expected.length);
        }
      }),
    );
  });

  it("names every change with its reasons", () => {
    fc.assert(
      fc.property(changes, fc.boolean(), (list, preview) => {
        const line = summary(list, totalsOf(list), preview);
        for (const { kind, name, reasons } of list) {
          const clause = clauseOf(line, kind) ?? "";
          expect(clause).toMatch(new RegExp(`\\b${name}\\b[a-z, ]*${reasons.length === 0 ? "" : `: ${reasons.map(({ text }) => text).join(", ")}`}`));
        }
      }),
    );
  });

  it("says at most only in a preview and only for uncertain changes", () => {
    fc.assert(
      fc.property(changes, fc.boolean(), (list, preview) => {
        const open = list.some(({ reasons }) => reasons.length > 0 && reasons.every(({ certain }) => !certain));
        expect(summary(list, totalsOf(list), preview).includes("at most")).toBe(preview && open);
      }),
    );
  });

  const image = (name: string, text: string, certain = false): Change => ({ kind: "images", name, operation: "update", reasons: [{ text, certain }] });
  const totals = { images: 21, containers: 13, volumes: 2, networks: 1, commands: 3 };

  it("reads like this before and after an edit", () => {
    const list = [
      image("base-ffmpeg", "own sources", true),
      image("demux", "parent base-ffmpeg"),
      image("mux", "parent base-ffmpeg"),
      ...["demux", "mux"].map((name): Change => ({ kind: "containers", name, operation: "replace", reasons: [{ text: "image", certain: false }] })),
    ];
    expect(summary(list, totals, true)).toBe(
      "images: at most 3 rebuild (base-ffmpeg: own sources; demux, mux: parent base-ffmpeg), 18 unchanged; " +
        "containers: at most 2 replaced (demux, mux: image), 11 unchanged; volumes: unchanged",
    );
    expect(summary(list.slice(0, 1), totals, true)).toBe(
      "images: 1 rebuild (base-ffmpeg: own sources), 20 unchanged; containers: unchanged; volumes: unchanged",
    );
    expect(summary([{ ...image("tmdb", "own sources", true), failed: true }], totals, false)).toBe(
      "images: 1 failed (tmdb: own sources), 20 unchanged; containers: unchanged; volumes: unchanged",
    );
  });

  it("names no resource if all are new, and counts the commands that fill volumes", () => {
    const all = Object.entries(totals).flatMap(([kind, count]) =>
      Array.from({ length: count }, (_, index): Change => ({ kind: kind as Change["kind"], name: `${kind}-${index}`, operation: "create", reasons: [] })),
    );
    expect(summary(all, totals, true)).toBe("images: 21 new; containers: 13 new; volumes: 2 new; networks: 1 new; commands: 3 run");
    expect(summary(all, totals, false)).toMatch(/commands: 3 ran$/);
    expect(summary([], totals, true)).toBe("images: unchanged; containers: unchanged; volumes: unchanged");
  });
});

it("details stand under the name and the reason", () => {
  const reasons = [{ text: "setting LOG_LEVEL", certain: true, details: ["INFO -> DEBUG"] }, { text: "image", certain: false }];
  expect(details([{ kind: "containers", name: "asr", operation: "replace", reasons }])).toEqual(["asr: setting LOG_LEVEL: INFO -> DEBUG"]);
});
