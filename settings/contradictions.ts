/** What is wrong between settings that are each right by themselves. */
import * as path from "node:path";
import type { z } from "zod";
import { describeFull, fullGpus, gpuNeeds, namedGpus, totalMegabytes } from "./gpus";
import type { schema } from "./schema";

/** Settings with their defaults, before the contradictions are looked for. */
export type Valid = z.output<typeof schema>;

/** One thing that is wrong, at a setting. */
export interface Problem {
  readonly path: readonly string[];
  readonly message: string;
  /** The command that mends it removes the setting, or sets another one. */
  readonly mend?: "remove" | { readonly path: readonly string[]; readonly value: string };
}

/** Whether the stack's file says anything at a path. */
export type IsSet = (keys: readonly string[]) => boolean;

type Rule = (settings: Valid, isSet: IsSet) => Problem[];

/** Settings of some kind of stack, and why they mean nothing in the others. */
const LIMITED: readonly { keys: readonly (readonly string[])[]; when: (settings: Valid) => string | undefined }[] = [
  {
    keys: [["gpu"], ["gpuDevices"], ["gpuMemoryMegabytes"], ["shmMegabytes"], ["baseImages", "cuda"]],
    when: ({ variant }) => (variant === "cpu" ? "is for stacks with CUDA, and variant is cpu" : undefined),
  },
  {
    keys: [["native", "environment"]],
    when: ({ variant }) =>
      variant === "cuda-slim" ? undefined : `is for variant cuda-slim, and variant is ${variant}: it has what it needs`,
  },
  {
    keys: [["models", "token"], ["models", "endpoint"], ["models", "leaveOut"]],
    when: ({ models }) =>
      models.source === "hub" ? undefined : `is for models of the hub, and models.source is ${models.source}`,
  },
];

const outOfPlace: Rule = (settings, isSet) =>
  LIMITED.flatMap(({ keys, when }) => {
    const message = when(settings);
    return message === undefined ? [] : keys.filter(isSet).map((key) => ({ path: key, message, mend: "remove" as const }));
  });

const noDevice: Rule = ({ variant, device, allowCpu }) => {
  if (variant === "cpu" && device === "cuda") {
    return [{ path: ["device"], message: "asks for a GPU, which the images of variant cpu cannot use" }];
  }
  if (!allowCpu && (variant === "cpu" || device === "cpu")) {
    const why = variant === "cpu" ? "variant is cpu" : "device is cpu";
    return [{ path: ["allowCpu"], message: `leaves the stages with a model nothing to compute on, for ${why}` }];
  }
  return [];
};

const nativeEnvironment: Rule = ({ variant, native }) =>
  variant === "cuda-slim" && native.environment === undefined
    ? [{ path: ["native", "environment"], message: "is missing: images of variant cuda-slim have no torch" }]
    : [];

/** Whether a registry is the machine's own: `localhost:5000`, `127.0.0.1:5000`. */
export function isLoopback(registry: string): boolean {
  return /^(localhost|127(\.\d+){3})(:\d+)?$/.test(registry);
}

const registry: Rule = ({ registry, registryLogin, registryTls, host }) => [
  ...(registryLogin !== undefined && registryTls === false && !isLoopback(registry)
    ? [{ path: ["registryTls"], message: `would send the password of registryLogin to ${registry} in plain text` }]
    : []),
  ...(host !== undefined && isLoopback(registry)
    ? [{ path: ["registry"], message: `is this machine's own, and the engine of ${host} is to pull from it` }]
    : []),
];

const inside = (inner: string, outer: string): boolean => {
  const relative = path.relative(path.resolve(outer), path.resolve(inner));
  return relative === "" || (!relative.startsWith("..") && !path.isAbsolute(relative));
};

const overlappingFilms: Rule = ({ films }) =>
  (["in", "config"] as const)
    .filter((key) => inside(films[key], films.out) || inside(films.out, films[key]))
    .map((key) => ({ path: ["films", key], message: `overlaps films.out (${films.out}), which containers write to` }));

const relativeOnHost: Rule = ({ host, films, native }) => {
  if (host === undefined) return [];
  const folders = [
    ...(["in", "out", "config"] as const).map((key) => ({ path: ["films", key], value: films[key] })),
    ...(native.environment === undefined ? [] : [{ path: ["native", "environment"], value: native.environment }]),
  ];
  return folders
    .filter(({ value }) => !path.isAbsolute(value))
    .map(({ path: keys, value }) => ({
      path: keys,
      message: `is relative (${value}), and lies on ${host}, which has no folder of this program`,
    }));
};

const tooFullGpus: Rule = (settings) => {
  const { variant, device, gpu } = settings;
  const there = gpu.memoryMegabytes;
  if (variant === "cpu" || device === "cpu" || there === undefined) return [];
  const wanted = gpuNeeds(settings);
  return fullGpus(wanted, namedGpus(wanted, there)).map((full) => {
    const [largest] = full.needs;
    const tooMuch = Math.max(0, totalMegabytes(full.needs) - totalMegabytes(full.gpus));
    const left = largest === undefined ? 0 : Math.min(largest.megabytes - tooMuch, there);
    const unknown = full.needs.some(({ devices }) => devices === "all");
    return {
      path: ["gpu", "memoryMegabytes"],
      message: `${describeFull(full)}${unknown ? "; all may mean no more GPUs: a count says how many there are" : ""}`,
      mend:
        largest !== undefined && left >= 128
          ? { path: ["gpuMemoryMegabytes", largest.service], value: String(left) }
          : { path: ["device"], value: "cpu" },
    };
  });
};

const RULES: readonly Rule[] = [
  outOfPlace,
  noDevice,
  nativeEnvironment,
  registry,
  overlappingFilms,
  relativeOnHost,
  tooFullGpus,
];

/** Every contradiction, at the setting that is easiest to change. */
export function contradictions(settings: Valid, isSet: IsSet): Problem[] {
  return RULES.flatMap((rule) => rule(settings, isSet));
}
