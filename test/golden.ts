/** The resources of a stack as a text that differs only where the infrastructure does. */
import * as path from "node:path";
import type { RecordedResource } from "./mocks";
import { withoutSecrets } from "./program";

const IMAGE = "docker-build:index:Image";
const CHECKOUT = path.join(__dirname, "..");
const WIDTH = 120;

/** Puts a name in place of what a test machine, or an edit below docker/, changes. */
function plainText(resources: readonly RecordedResource[]): (text: string) => string {
  const digests = new Map(resources.filter(({ type }) => type === IMAGE).map(({ name, digest }) => [digest, name]));
  return (text) =>
    text
      .replaceAll(/\bsha256:[0-9a-f]{64}\b/g, (digest) => (digests.has(digest) ? `<digest of ${digests.get(digest)}>` : digest))
      .replaceAll(/-[0-9a-f]{12}\b/g, "-<source hash>")
      .replaceAll(CHECKOUT, "<checkout>");
}

/** What a text holds that is JSON in itself, so that a diff shows which part of it changed. */
function unpacked(text: string): unknown {
  try {
    return /^[[{]/.test(text) ? { "<JSON>": JSON.parse(text) as unknown } : text;
  } catch {
    return text;
  }
}

/** The value with the keys of every object in alphabetical order, and every text as `plain` writes it. */
function normalised(value: unknown, plain: (text: string) => string): unknown {
  if (typeof value === "string") return unpacked(plain(value));
  if (Array.isArray(value)) return value.map((inner) => normalised(inner, plain));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, normalised(inner, plain)]));
}

/** JSON with whatever fits a line on one line, as a reader of a diff likes it. */
function json(value: unknown, indent = ""): string {
  const short = JSON.stringify(value);
  if (typeof value !== "object" || value === null || indent.length + short.length <= WIDTH) return short;
  const deeper = `${indent}  `;
  const inner = Array.isArray(value)
    ? value.map((one) => json(one, deeper))
    : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${json(one, deeper)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return `${open}\n${inner.map((line) => `${deeper}${line}`).join(",\n")}\n${indent}${close}`;
}

/** Every resource by type and name, with its inputs and options. */
export function goldenText(resources: readonly RecordedResource[]): string {
  const byName = resources.map(({ type, name, inputs, options }) => [
    `${type} ${name}`,
    { ...(Object.keys(inputs).length > 0 ? { inputs: withoutSecrets(inputs) } : {}), options },
  ]);
  return `${json(normalised(Object.fromEntries(byName), plainText(resources)))}\n`;
}
