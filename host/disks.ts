/** Disk space for a deployment: the engine's, and this machine's for build cache and local registry. */
import { VARIANTS, type Variant } from "../variants";

export interface Disk {
  /** `engine`: images and volumes. `builder`: the builder's cache and the local registry. */
  readonly use: "engine" | "builder";
  /** Free space in MiB. */
  readonly free: number;
  /** Mount point: folders on one disk share its space. */
  readonly mount: string;
  readonly folder: string;
}

export interface DiskNeeds {
  readonly variant: Variant;
  /** Disk space for the models, in MiB. */
  readonly models: number;
  /** Whether the stack was deployed before, so that the engine has most of its layers. */
  readonly deployed: boolean;
  /** ssh://user@machine, if the engine is another machine's. */
  readonly host: string | undefined;
}

/** What is missing (problems) and what may be (warnings): a sentence each, with its fix. */
export interface DiskFindings {
  readonly problems: string[];
  readonly warnings: string[];
}

/** MiB below which an update cannot succeed. */
const LEAST = 1024;

const CLEANING: Readonly<Record<Disk["use"], string>> = {
  engine: "docker image prune --all removes what no container uses",
  builder: "docker buildx prune empties the builder's cache, CP_WHISPERX_HOME may name a folder on a larger disk",
};

/** Reads `USE FREE MOUNT FOLDER`, separated by tabs, as host/preflight.sh prints them. */
export function readDisk(line: string): Disk {
  const [use, free, mount = "", folder = ""] = line.split("\t");
  return { use: use === "builder" ? "builder" : "engine", free: Number(free), mount, folder };
}

const placeOf = ({ use }: Disk, { host }: DiskNeeds): string => (use === "engine" && host !== undefined ? host : "this machine");

function wanted({ use }: Disk, { variant, models, deployed }: DiskNeeds): number {
  const { images, build, update } = VARIANTS[variant].disk;
  if (deployed) return update;
  return use === "engine" ? images + models : build;
}

function problemsOf(disk: Disk, needs: DiskNeeds): string[] {
  const least = needs.deployed ? LEAST : wanted(disk, needs);
  if (disk.use !== "engine" || disk.free >= least) return [];
  return [
    `There are ${disk.free} MiB free below ${disk.folder} on ${placeOf(disk, needs)}, and the stack takes up to ${least} MiB; ` +
      "fix: free some space (docker system df shows what uses it), or move the engine's data-root to a larger disk",
  ];
}

/** Warnings about one disk, for all folders on it. */
function warningsOf(folders: readonly Disk[], needs: DiskNeeds): string[] {
  const sum = folders.reduce((total, one) => total + wanted(one, needs), 0);
  const [disk] = folders;
  if (disk === undefined || disk.free >= sum) return [];
  return [
    `There are ${disk.free} MiB free below ${folders.map(({ folder }) => folder).join(" and ")} on ${placeOf(disk, needs)}, and ` +
      `${needs.deployed ? "an update" : "a first build and deployment"} may take ${sum} MiB; ` +
      `fix: free some space (${folders.map(({ use }) => CLEANING[use]).join(", ")})`,
  ];
}

/**
 * Too little space for a first deployment is a problem. An update may change the largest layers or none, and a build may be
 * cached: they only get a warning with the largest size. A disk that could not be checked is ignored.
 */
export function diskFindings(disks: readonly Disk[], needs: DiskNeeds): DiskFindings {
  const problems = disks.flatMap((disk) => problemsOf(disk, needs));
  if (problems.length > 0) return { problems, warnings: [] };
  const keyOf = (disk: Disk): string => `${placeOf(disk, needs)} ${disk.mount}`;
  const keys = [...new Set(disks.map(keyOf))];
  return { problems, warnings: keys.flatMap((key) => warningsOf(disks.filter((disk) => keyOf(disk) === key), needs)) };
}
