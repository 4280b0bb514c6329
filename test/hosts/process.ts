import { readFileSync } from "node:fs";

/** Start time of a process in clock ticks: with the process id it is unique. Undefined if there is no such process. */
export function startTimeOf(id: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, "utf8");
    // The name in brackets may contain anything; the start time is the 22nd field, the state the third.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
