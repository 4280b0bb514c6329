import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { MODEL_IMAGES } from "../../catalog";
import { readDefinitions } from "../../images/definitions";
import { stackNodes } from "../../images/plan";
import { scripts } from "../../package.json";
import { settingsJsonSchema } from "../../settings";
import { VARIANT_NAMES } from "../../variants";
import { generatedDocuments, hierarchyPicture } from "./generate";

const ROOT = path.join(__dirname, "..", "..");
const read = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");
const DOCUMENTS = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "README.md", "docs"], { cwd: ROOT, encoding: "utf8" })
  .split("\n")
  .filter((file) => file.endsWith(".md"))
  .map((file) => ({ file, text: read(file) }));

/** Every match of the pattern's first group in the documents, as `document: match`. */
function named(pattern: RegExp): { file: string; name: string }[] {
  return DOCUMENTS.flatMap(({ file, text }) => [...text.matchAll(pattern)].map(([, name = ""]) => ({ file, name })));
}

it("docs/ is up to date with the catalogue, the stages and the settings (npm run docs)", () => {
  for (const { file, content } of generatedDocuments()) expect(readFileSync(file, "utf8")).toBe(content);
});

it("the graph shows every image of the variant", () => {
  for (const variant of VARIANT_NAMES) {
    for (const { name } of stackNodes(readDefinitions(), { variant, images: MODEL_IMAGES.hub })) {
      expect(hierarchyPicture(variant)).toMatch(new RegExp(`(--> | & |\\.-> |^ +)${name}(?![\\w-])`, "m"));
    }
  }
});

describe("README.md and docs/ name only what exists:", () => {
  it("commands of make and npm", () => {
    const targets = [...read("Makefile").matchAll(/^([a-z-]+):/gm)].map(([, target]) => target);
    expect(named(/(?:`|^|&& )make ([a-z][a-z-]*)/gm).filter(({ name }) => !targets.includes(name))).toEqual([]);
    expect(named(/npm run ([a-z:-]+)/g).filter(({ name }) => !(name in scripts))).toEqual([]);
  });

  it("files, and headings in them", () => {
    const slug = (heading: string): string => heading.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-");
    const broken = named(/\]\((?!https?:)([^)]+)\)/g).filter(({ file, name }) => {
      const [target = "", anchor] = name.split("#");
      const document = target === "" ? file : path.join(path.dirname(file), target);
      if (!existsSync(path.join(ROOT, document))) return true;
      return anchor !== undefined && ![...read(document).matchAll(/^#+ (.*)$/gm)].some(([, heading = ""]) => slug(heading) === anchor);
    });
    expect(broken).toEqual([]);
  });

  it("settings", () => {
    const known = (key: string): boolean => {
      const [first = "", second] = key.split(".");
      const property = settingsJsonSchema.properties?.[first];
      return typeof property === "object" && (second === undefined || property.properties?.[second] !== undefined);
    };
    const keys = named(/pulumi config (?:set|rm)(?: --secret| --path| --stack \S+)* '?([\w.-]+)/g);
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.filter(({ name }) => name !== "KEY" && !known(name))).toEqual([]);
  });
});
