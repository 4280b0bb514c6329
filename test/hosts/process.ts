import { readFileSync } from "node:fs";

/** When a process began, in the kernel's ticks: with its number it names one process for certain; undefined where none is. */
export function startTimeOf(id: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, "utf8");
    // The name in brackets may hold anything; the start is the 22nd field, the state the third.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
