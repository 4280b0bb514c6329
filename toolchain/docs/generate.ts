/** Generates the graphs and tables in docs/ from the catalogue, the stages and the settings. `npm run docs` writes them. */
import { readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import stages from "../../docker/common/cp_whisperx/stages.json";
import { catalog, EXTERNAL, MODEL_IMAGES, SCRATCH } from "../../catalog";
import { readDefinitions, type ImageDefinition } from "../../images/definitions";
import { stackNodes } from "../../images/plan";
import { allowed, settingsJsonSchema } from "../../settings";
import { PER_SERVICE } from "../../settings/schema";
import type { Variant } from "../../variants";
import { table, withPart } from "./markdown";

type Schema = typeof settingsJsonSchema;

const DOCS = path.join(__dirname, "..", "..", "docs");

/** The hierarchy of a variant as a Mermaid graph: solid arrows to children, dotted arrows to images that copy files. */
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

/** One row per setting; `--help` of each stage's image lists the stage's own settings. */
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

/** Every generated part, by its document and the name in its marker. */
function parts(): Readonly<Record<string, Readonly<Record<string, string>>>> {
  return {
    "architecture.md": {
      hierarchy: hierarchyPicture("cpu"),
      "hierarchy with CUDA": hierarchyPicture("cuda"),
      images: imageTable(),
    },
    "stages.md": { stages: stageTable() },
    "settings.md": { settings: table(["setting", "meaning", "allowed", "default"], settingRows(settingsJsonSchema, "")) },
  };
}

/** The documents with generated parts: file and expected content. @throws Error if a marker is missing. */
export function generatedDocuments(): { readonly file: string; readonly content: string }[] {
  return Object.entries(parts()).map(([name, generated]) => {
    const file = path.join(DOCS, name);
    const content = Object.entries(generated).reduce((text, [part, body]) => {
      const written = withPart(text, { name: part, madeBy: "npm run docs" }, body);
      if (written === undefined) throw new Error(`docs/${name}: the markers of ${part} are missing`);
      return written;
    }, readFileSync(file, "utf8"));
    return { file, content };
  });
}

if (require.main === module) for (const { file, content } of generatedDocuments()) writeFileSync(file, content);
