/** Differences between two staged build contexts: files, and packages of a lock file. */
import { existsSync } from "node:fs";
import { readContext, type ContextFile } from "../images/context";

/** A pinned package in a lock file: `name==version`. */
const PIN = /^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s\\;]+)/gm;

/** Keys with different values in the two maps, each with both values. */
function changed<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): [string, T | undefined, T | undefined][] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.map((name): [string, T | undefined, T | undefined] => [name, before.get(name), after.get(name)]).filter(([, old, now]) => old !== now);
}

/** The packages that differ between two versions of a lock file, such as `numpy 1.26.4 -> 2.0.0`. */
export function packageChanges(before: string, after: string): string[] {
  const pins = (text: string): Map<string, string> => new Map([...text.matchAll(PIN)].map(([, name = "", version = ""]) => [name, version]));
  return changed(pins(before), pins(after)).map(([name, old, now]) => {
    if (old === undefined) return `${name} ${now} added`;
    return now === undefined ? `${name} ${old} removed` : `${name} ${old} -> ${now}`;
  });
}

/** The files that differ between two contexts; for a lock file the packages. */
export function fileChanges(before: readonly ContextFile[], after: readonly ContextFile[]): string[] {
  const text = (files: readonly ContextFile[]): Map<string, string> =>
    new Map(files.map(({ path, content, executable }) => [path, `${executable}\n${content.toString("latin1")}`]));
  return changed(text(before), text(after)).flatMap(([file, old, now]) => {
    if (old === undefined) return [`${file} added`];
    if (now === undefined) return [`${file} removed`];
    const packages = file.endsWith(".lock") ? packageChanges(old, now) : [];
    return packages.length > 0 ? packages.map((line) => `${file}: ${line}`) : [`${file} changed`];
  });
}

/** Differences between two staged contexts, by their folders, such as `build/contexts/asr-0123456789ab`. */
export function sourceDetails(before: string, after: string): string[] {
  if (!existsSync(before)) return [`the old sources (${before}) are not on this machine: built elsewhere, or removed after a month`];
  return fileChanges(readContext(before), readContext(after));
}
