/** Contradictions between settings that are each valid. */
import * as path from "node:path";
import { VARIANTS } from "../variants";
import { describeFull, fullGpus, gpuNeeds, namedGpus, totalMegabytes, usesGpu } from "./gpus";
import type { Path } from "./paths";
import type { Problem } from "./report";
import type { Valid } from "./schema";

/** Whether the stack file sets a path. */
export type IsSet = (keys: Path) => boolean;

type Rule = (settings: Valid, isSet: IsSet) => Problem[];

/** Settings that only some stacks use, and why the others do not. */
const LIMITED: readonly { keys: readonly Path[]; when: (settings: Valid) => string | undefined }[] = [
  {
    keys: [["gpu"], ["gpuDevices"], ["gpuMemoryMegabytes"], ["shmMegabytes"], ["baseImages", "cuda"]],
    when: ({ variant }) => (VARIANTS[variant].gpu ? undefined : `is for stacks with CUDA, and variant is ${variant}`),
  },
  {
    keys: [["native", "environment"]],
    when: ({ variant }) =>
      VARIANTS[variant].torch === "host" ? undefined : `is for variant cuda-slim, and variant is ${variant}`,
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
    return message === undefined ? [] : keys.filter(isSet).map((key) => ({ path: key, message, fix: "remove" as const }));
  });

const noDevice: Rule = ({ variant, device, allowCpu }) => {
  const { gpu } = VARIANTS[variant];
  if (!gpu && device === "cuda") {
    return [{ path: ["device"], message: `asks for a GPU, which the images of variant ${variant} cannot use` }];
  }
  if (!allowCpu && (!gpu || device === "cpu")) {
    const why = gpu ? "device is cpu" : `variant is ${variant}`;
    return [{ path: ["allowCpu"], message: `forbids the CPU, but the stages with a model have no GPU, because ${why}` }];
  }
  return [];
};

/** Example folders on the engine's host: a remote one needs absolute paths. */
const ENVIRONMENT = { here: ".bollyenv", there: "/srv/.bollyenv" };
const FILMS = {
  in: { here: "films/in", there: "/srv/films/in" },
  out: { here: "films/out", there: "/srv/films/out" },
  config: { here: "films/config", there: "/srv/films/config" },
};

const placeOf = ({ host }: Valid): "here" | "there" => (host === undefined ? "here" : "there");

const nativeEnvironment: Rule = (settings) => {
  if (VARIANTS[settings.variant].torch !== "host" || settings.native.environment !== undefined) return [];
  const keys = ["native", "environment"];
  const message = `is missing: images of variant ${settings.variant} have no torch`;
  return [{ path: keys, message, fix: { path: keys, value: ENVIRONMENT[placeOf(settings)] } }];
};

/** Whether a registry is on a loopback address: `localhost:5000`, `127.0.0.1:5000`. */
export function isLoopback(registry: string): boolean {
  return /^(localhost|127(\.\d+){3})(:\d+)?$/.test(registry);
}

const plainPassword: Rule = ({ registry, registryLogin, registryTls }) =>
  registryLogin !== undefined && registryTls === false && !isLoopback(registry)
    ? [
        {
          path: ["registryTls"],
          message: `would send the password of registryLogin to ${registry} in plain text`,
          fix: { path: ["registryTls"], value: "true" },
        },
      ]
    : [];

const unreachableRegistry: Rule = ({ registry, host }) =>
  host !== undefined && isLoopback(registry)
    ? [
        {
          path: ["registry"],
          message: `is a loopback address, which the engine of ${host} cannot pull from`,
          fix: { path: ["registry"], value: "registry.example.org:5000" },
        },
      ]
    : [];

const inside = (inner: string, outer: string): boolean => {
  const relative = path.relative(path.resolve(outer), path.resolve(inner));
  return relative === "" || (!/^\.\.(\/|$)/.test(relative) && !path.isAbsolute(relative));
};

const overlap = (one: string, other: string): boolean => inside(one, other) || inside(other, one);

const overlappingFilms: Rule = (settings) => {
  const { films } = settings;
  const place = placeOf(settings);
  const separateFolder = (key: "in" | "config"): Problem["fix"] => {
    const value = [FILMS[key][place], `${path.resolve(films.out)}-${key}`].find((folder) => !overlap(folder, films.out));
    return value === undefined ? { path: ["films", "out"], value: FILMS.out[place] } : { path: ["films", key], value };
  };
  return (["in", "config"] as const)
    .filter((key) => overlap(films[key], films.out))
    .map((key) => ({
      path: ["films", key],
      message: `overlaps films.out (${films.out}), which containers write to`,
      fix: separateFolder(key),
    }));
};

const relativeOnHost: Rule = ({ host, films, native }) => {
  if (host === undefined) return [];
  const folders = [
    ...(["in", "out", "config"] as const).map((key) => ({ keys: ["films", key], value: films[key], whole: FILMS[key].there })),
    ...(native.environment === undefined
      ? []
      : [{ keys: ["native", "environment"], value: native.environment, whole: ENVIRONMENT.there }]),
  ];
  return folders
    .filter(({ value }) => !path.isAbsolute(value))
    .map(({ keys, value, whole }) => ({
      path: keys,
      message: `is relative (${value}), and folders on ${host} need absolute paths`,
      fix: { path: keys, value: whole },
    }));
};

const tooFullGpus: Rule = (settings) => {
  const there = settings.gpu.memoryMegabytes;
  if (!usesGpu(settings) || there === undefined) return [];
  const wanted = gpuNeeds(settings);
  return fullGpus(wanted, namedGpus(wanted, there)).map((full) => {
    const [largest] = full.needs;
    const tooMuch = Math.max(0, totalMegabytes(full.needs) - totalMegabytes(full.gpus));
    const left = largest === undefined ? 0 : Math.min(largest.megabytes - tooMuch, there);
    const unknown = full.needs.some(({ devices }) => devices === "all");
    return {
      path: ["gpu", "memoryMegabytes"],
      message: `${describeFull(full)}${unknown ? "; all does not say how many GPUs there are: set a count if there are more" : ""}`,
      fix:
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
  plainPassword,
  unreachableRegistry,
  overlappingFilms,
  relativeOnHost,
  tooFullGpus,
];

/** All contradictions, each reported at the setting that is easiest to change. */
export function contradictions(settings: Valid, isSet: IsSet): Problem[] {
  return RULES.flatMap((rule) => rule(settings, isSet));
}
