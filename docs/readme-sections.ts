/** The parts of README.md that derive from the catalogue, the stages and the settings. `npm run docs` writes them. */
import { readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import stages from "../docker/common/cp_whisperx/stages.json";
import { catalog, EXTERNAL, MODEL_IMAGES, SCRATCH } from "../catalog";
import { readDefinitions, type ImageDefinition } from "../images/definitions";
import { stackNodes } from "../images/plan";
import { allowed, settingsJsonSchema } from "../settings";
import { PER_SERVICE } from "../settings/schema";
import type { Variant } from "../variants";
import { table, withPart } from "./markdown";

type Schema = typeof settingsJsonSchema;

const README = path.join(__dirname, "..", "README.md");

/** The hierarchy of a variant as a Mermaid graph: full arrows to children, dotted ones to what is copied in. */
export function hierarchyPicture(variant: Variant): string {
  const nodes = stackNodes(readDefinitions(), { variant, images: MODEL_IMAGES.hub });
  const copied = nodes.filter(({ uses }) => uses.includes("common")).map(({ name }) => name);
  const arrows = nodes
    .filter(({ parent }) => parent !== SCRATCH)
    .map(({ name, parent }) => `  ${parent === EXTERNAL ? "external[python:3.11-slim]" : parent} --> ${name}`);
  return ["```mermaid", "graph LR", ...arrows, `  common -.-> ${copied.join(" & ")}`, "```"].join("\n");
}

function parentsOfVariants({ parentOfVariant }: ImageDefinition): string[] {
  return Object.entries(parentOfVariant ?? {}).map(([variant, parent]) => `${variant}: ${parent}`);
}

function imageTable(): string {
  const rows = readDefinitions().map((image) => [
    `\`${image.name}\``,
    [image.parent, ...parentsOfVariants(image)].join("; "),
    image.variants.join(", "),
    image.description,
  ]);
  return table(["image", "built on", "variants", "holds"], rows);
}

function stageTable(): string {
  const rows = stages.map(({ name, critical, timeLimitSeconds, tries }) => [
    `\`${name}\``,
    catalog.find((image) => image.name === name)?.description ?? "",
    critical ? "stops the job" : "is skipped, with the reason",
    `${timeLimitSeconds} s`,
    String(tries),
  ]);
  return table(["stage", "does", "on failure", "longest without progress", "tries"], rows);
}

/** One row per setting; the stages' own settings are told by `--help` of their images. */
function settingRows(schema: Schema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const description = property as Schema;
    const name = `${prefix}${key}`;
    const own = (PER_SERVICE as readonly string[]).includes(name);
    if (description.properties !== undefined && !own) return settingRows(description, `${name}.`);
    const value = description.default === undefined || own ? "" : `\`${JSON.stringify(description.default)}\``;
    return [[`\`${name}\``, description.description ?? "", own ? "per service" : allowed(description), value]];
  });
}

/** Every generated part by the name in its marker. */
export function sections(): Readonly<Record<string, string>> {
  return {
    hierarchy: hierarchyPicture("cpu"),
    "hierarchy with CUDA": hierarchyPicture("cuda"),
    images: imageTable(),
    stages: stageTable(),
    settings: table(["setting", "meaning", "allowed", "default"], settingRows(settingsJsonSchema, "")),
  };
}

/** The text with every generated part put anew between its markers. @throws Error where a marker is missing. */
export function withSections(text: string): string {
  return Object.entries(sections()).reduce((result, [name, content]) => {
    const written = withPart(result, { name, madeBy: "npm run docs" }, content);
    if (written === undefined) throw new Error(`README.md: the markers of ${name} are missing`);
    return written;
  }, text);
}

if (require.main === module) writeFileSync(README, withSections(readFileSync(README, "utf8")));
