/** The room on the disks that a deployment fills: the engine's, and the builder's and the local registry's on this machine. */
import { VARIANTS, type Variant } from "../variants";

export interface Disk {
  /** `engine`: images and volumes. `builder`: the builder's cache and the local registry. */
  readonly use: "engine" | "builder";
  /** In MiB. */
  readonly free: number;
  /** Where it is mounted: folders on one disk share its room. */
  readonly mount: string;
  readonly folder: string;
}

export interface DiskNeeds {
  readonly variant: Variant;
  /** What the models take, in MiB. */
  readonly models: number;
  /** Whether the engine has had this stack before, and so most of what it takes. */
  readonly deployed: boolean;
  /** ssh://user@machine, where the engine is another machine's. */
  readonly host: string | undefined;
}

/** What is missing for certain, and what may turn out to be missing: a sentence each with its way out. */
export interface DiskFindings {
  readonly problems: string[];
  readonly warnings: string[];
}

/** MiB without which no update is worth a try. */
const LEAST = 1024;

const CLEANING: Readonly<Record<Disk["use"], string>> = {
  engine: "docker image prune --all removes what no container uses",
  builder: "docker buildx prune empties the builder's cache, CP_WHISPERX_HOME may name a folder on a larger disk",
};

/** Reads `USE FREE MOUNT FOLDER` with tabs between them, as host/preflight.sh tells. */
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
      "way out: make room (docker system df says what takes it), or move the data-root of its engine to a larger disk",
  ];
}

/** What may not find room on a disk, by all the folders there. */
function warningsOf(folders: readonly Disk[], needs: DiskNeeds): string[] {
  const sum = folders.reduce((total, one) => total + wanted(one, needs), 0);
  const [disk] = folders;
  if (disk === undefined || disk.free >= sum) return [];
  return [
    `There are ${disk.free} MiB free below ${folders.map(({ folder }) => folder).join(" and ")} on ${placeOf(disk, needs)}, and ` +
      `${needs.deployed ? "an update" : "a first build and deployment"} may take ${sum} MiB; ` +
      `way out: make room (${folders.map(({ use }) => CLEANING[use]).join(", ")})`,
  ];
}

/**
 * An engine without room for a first deployment is a problem. An update may change the largest layers or none, and a build
 * may find its cache: of those it is told how much they may take. A disk that nobody could ask about is not missed.
 */
export function diskFindings(disks: readonly Disk[], needs: DiskNeeds): DiskFindings {
  const problems = disks.flatMap((disk) => problemsOf(disk, needs));
  if (problems.length > 0) return { problems, warnings: [] };
  const keyOf = (disk: Disk): string => `${placeOf(disk, needs)} ${disk.mount}`;
  const keys = [...new Set(disks.map(keyOf))];
  return { problems, warnings: keys.flatMap((key) => warningsOf(disks.filter((disk) => keyOf(disk) === key), needs)) };
}
