/** Why an image is rebuilt or a container replaced, read from its old and new inputs. */
import type { Inputs, Kind, Reason } from "./change";
import { differences, containsUnknown, meets, shown } from "./differences";
import { sourceDetails } from "./sources";

/** The variable with a container's own image. */
const IMAGE_VARIABLE = "CP_WHISPERX_IMAGE";

type Explain = (deployed: Inputs, asked: Inputs, key: string) => Reason[];

const record = (value: unknown): Inputs => (typeof value === "object" && value !== null ? (value as Inputs) : {});

/** The image in a reference such as `127.0.0.1:5000/name/cp-whisperx-app-base@sha256:...`; undefined for other images. */
function imageIn(reference: unknown): string | undefined {
  return typeof reference === "string" ? /\/cp-whisperx-app-([^@:/]+)/.exec(reference)?.[1] : undefined;
}

function changeOf(text: string, deployed: unknown, asked: unknown): Reason {
  if (containsUnknown(asked)) return { text, certain: false };
  return { text, certain: true, details: [`${shown(deployed)} -> ${shown(asked)}`] };
}

/** Build arguments: BASE_IMAGE is the parent, others that end in _IMAGE are images to copy from. */
const explainArguments: Explain = (deployed, asked, key) => {
  const [before, after] = [record(deployed[key]), record(asked[key])];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => !meets(before[name], after[name])).map((name) => {
    const image = imageIn(containsUnknown(after[name]) ? before[name] : after[name]);
    const used = name.replace(/_IMAGE$/, "").toLowerCase().replaceAll("_", "-");
    const base = image === undefined ? "base image" : `parent ${image}`;
    const text = name === "BASE_IMAGE" ? base : name.endsWith("_IMAGE") ? `copies from ${used}` : name.toLowerCase();
    return changeOf(text, before[name], after[name]);
  });
};

const explainSources: Explain = (deployed, asked, key) => {
  const [before, after] = [deployed, asked].map((inputs) => record(inputs[key]).location);
  return [{ text: "own sources", certain: true, details: sourceDetails(String(before), String(after)) }];
};

/** The environment, a list of `NAME=value`. A missing name may be one with an unknown value. */
const explainEnvironment: Explain = (deployed, asked, key) => {
  const lines = ({ [key]: list }: Inputs): unknown[] => (Array.isArray(list) ? list : []);
  const values = (inputs: Inputs): Map<string, unknown> =>
    new Map(lines(inputs).filter((line) => typeof line === "string").map((line) => [line.replace(/=.*$/s, ""), line.replace(/^[^=]*=/, "")]));
  const [before, after] = [values(deployed), values(asked)];
  const open = lines(asked).find(containsUnknown);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => changeOf(name === IMAGE_VARIABLE ? "image" : `setting ${name}`, before.get(name), after.get(name) ?? open));
};

const nothing: Explain = () => [];

/** Inputs with an explanation of their own, or with none because another input explains the change. */
const EXPLAINED: Readonly<Record<string, Explain>> = {
  buildArgs: explainArguments,
  context: explainSources,
  envs: explainEnvironment,
  dockerfile: nothing,
  cacheFrom: nothing,
  cacheTo: nothing,
};

/** Readable names of inputs. */
const WORDS: Readonly<Record<string, string>> = {
  memory: "memory limit",
  memorySwap: "memory limit",
  deviceRequests: "GPUs",
  gpus: "GPUs",
  healthcheck: "health check",
  networksAdvanced: "networks",
  destroyGraceSeconds: "stop timeout",
  stopTimeout: "stop timeout",
  waitTimeout: "start timeout",
  platforms: "platform",
  registries: "registry login",
};

/** A change of the image's repository: registry or namespace. */
function explainRepository(deployed: Inputs, asked: Inputs): Reason[] {
  const [before, after] = [deployed, asked].map(({ tags }) => (Array.isArray(tags) ? String(tags[0]) : ""));
  return before === after ? [] : [changeOf("registry or namespace", before, after)];
}

/** The reasons for a change of inputs, each text once; empty if no input differs. */
export function reasons(kind: Kind, deployed: Inputs, asked: Inputs): Reason[] {
  const found = differences(deployed, asked).flatMap((key) => {
    if (kind === "images" && key === "tags") return explainRepository(deployed, asked);
    const explain = EXPLAINED[key];
    return explain === undefined ? [changeOf(WORDS[key] ?? key, deployed[key], asked[key])] : explain(deployed, asked, key);
  });
  return [...new Map(found.toReversed().map((reason) => [reason.text, reason])).values()].toReversed();
}

/** The same for a replacement. The trigger that replaces a container is no input: see services/container.ts. */
export function replacementReasons(kind: Kind, deployed: Inputs, asked: Inputs): Reason[] {
  const found = reasons(kind, deployed, asked);
  return found.length === 0 && kind === "containers" ? [{ text: "volume or folder removed", certain: true }] : found;
}
