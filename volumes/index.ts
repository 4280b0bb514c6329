import * as pulumi from "@pulumi/pulumi";
import type { ServiceNeeds } from "../catalog";
import type { Access } from "./access";
import type { VolumesArgs } from "./args";
import { filmFolders } from "./film-folders";
import { hostPython } from "./host-python";
import { modelCache, type ModelCache } from "./model-cache";
import { queueData } from "./queue-data";
import { secretFiles } from "./secret-files";

/** The persistent data of the services: volumes, and folders of the engine's host. */
export class Volumes extends pulumi.ComponentResource {
  public readonly films: Access;
  public readonly modelCache: ModelCache;
  public readonly queue: Access;
  /** Undefined if the settings have no secret for a stage. */
  public readonly secrets: Access | undefined;
  /** Undefined unless the variant uses the host's torch. */
  public readonly hostPython: Access | undefined;

  constructor(name: string, args: VolumesArgs, options?: pulumi.ComponentResourceOptions) {
    super("cp-whisperx:volumes:Volumes", name, {}, { ...args.engine.options, ...options });
    this.films = filmFolders(args, this);
    this.modelCache = modelCache(args, this);
    this.queue = queueData(args, this);
    this.secrets = secretFiles(args, this);
    this.hostPython = hostPython(args.settings);
    this.registerOutputs({});
  }

  /** What a stage's worker mounts: the films, and whatever else it needs. */
  public accessOf({ models, secrets, gpu }: ServiceNeeds): Access[] {
    const given = [this.films, models && this.modelCache, secrets && this.secrets, gpu && this.hostPython];
    return given.filter((access) => typeof access === "object");
  }
}
