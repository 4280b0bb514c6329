/**
 * Measures the images of a deployed stack and writes the stack's section of docs/sizes.md. The exit status is 1 if an image
 * is above its ceiling.
 *
 * `write-sizes.ts STACK`, with the stack's outputs on standard input: `{"images": {"asr": {"reference": "..."}, ...}, ...}`.
 * The engine is the one that DOCKER_HOST names.
 */
import { readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { imageLayers, isInEngine, storedLayers } from "./layers";
import { ceilingTable, exceededCeilings } from "./ceilings";
import { isRunning, sizeTables, withSizes, type WeighedImage } from "./sizes";

const DOCUMENT = path.join(__dirname, "..", "docs", "sizes.md");

async function weigh(name: string, reference: string): Promise<WeighedImage> {
  const stored = await storedLayers(reference);
  return (await isInEngine(reference)) ? { name, stored, engine: await imageLayers(reference) } : { name, stored };
}

async function main(stack: string): Promise<void> {
  const outputs = JSON.parse(readFileSync(0, "utf8")) as { images: Record<string, { reference: string }> };
  const images: WeighedImage[] = [];
  for (const [name, { reference }] of Object.entries(outputs.images)) images.push(await weigh(name, reference));
  if (!images.some(isRunning)) throw new Error("The engine has none of these images: is it the stack's own?");
  const document = withSizes(readFileSync(DOCUMENT, "utf8"), "ceilings", ceilingTable());
  writeFileSync(DOCUMENT, withSizes(document, `sizes of ${stack}`, sizeTables(images), `## Stack \`${stack}\``));
  for (const sentence of exceededCeilings(stack, images.filter(isRunning))) {
    console.error(sentence);
    process.exitCode = 1;
  }
}

const [stack] = process.argv.slice(2);
if (stack === undefined) throw new Error("write-sizes.ts: name the stack");
main(stack).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
