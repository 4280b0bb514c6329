/** Upper limits for image sizes in the engine, and the sizes of the original application's images. */
import { table } from "../toolchain/docs/markdown";
import { totalBytes } from "./layers";
import { engineSize, type RunningImage } from "./sizes";

export interface Ceiling {
  /** All running images of a stack, shared layers once, or one image in any stack. */
  readonly of: { readonly stack: string } | { readonly image: string };
  /** In gigabytes, 10^9 bytes. */
  readonly gigabytes: number;
  readonly original: string;
}

export const ceilings: readonly Ceiling[] = [
  { of: { stack: "gpu" }, gigabytes: 9.5, original: "25 to 60 GB, its target 10 to 15 GB" },
  { of: { stack: "cpu" }, gigabytes: 1.8, original: "8 GB" },
  { of: { stack: "native" }, gigabytes: 1.8, original: "5 GB" },
  { of: { image: "pre-ner" }, gigabytes: 0.6, original: "1.68 GB" },
  { of: { image: "post-ner" }, gigabytes: 0.6, original: "1.9 GB" },
];

/** Bytes of the ceiling's images; undefined if the ceiling is for another stack. */
function weight({ of }: Ceiling, stack: string, running: readonly RunningImage[]): number | undefined {
  if ("stack" in of) return of.stack === stack ? totalBytes(running.flatMap(({ engine }) => engine)) : undefined;
  const image = running.find(({ name }) => name === of.image);
  return image && engineSize(image, []).total;
}

const subject = ({ of }: Ceiling): string => ("stack" in of ? `all images of stack ${of.stack}` : of.image);

/** One sentence per exceeded ceiling. */
export function exceededCeilings(stack: string, running: readonly RunningImage[]): string[] {
  return ceilings.flatMap((ceiling) => {
    const bytes = weight(ceiling, stack, running);
    if (bytes === undefined || bytes <= ceiling.gigabytes * 1e9) return [];
    return [`${subject(ceiling)}: ${(bytes / 1e9).toFixed(2)} GB in the engine, the limit is ${ceiling.gigabytes} GB`];
  });
}

/** The ceilings as a table. */
export function ceilingTable(): string {
  const rows = ceilings.map((ceiling) => [subject(ceiling), `${ceiling.gigabytes} GB`, ceiling.original]);
  return table(["in the engine, shared layers once", "at most", "the original"], rows, "figures");
}
