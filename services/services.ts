import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { catalog, type ImageDefinition, type ServiceNeeds } from "../images/catalog";
import { imageNamed, type Hierarchy } from "../images/hierarchy";
import type { Settings } from "../settings";
import type { FilmFolders } from "../volumes/film-folders";
import type { ModelCache } from "../volumes/model-cache";
import { SecretFiles } from "../volumes/secret-files";
import { accelerator } from "./accelerator";
import { Queue } from "./queue";
import { StageService } from "./stage";

/** The service that the others wait for. */
const QUEUE = "queue";

export interface ServicesArgs {
  readonly settings: Settings;
  readonly images: Hierarchy;
  readonly modelCache: ModelCache;
  readonly films: FilmFolders;
}

/** A running service and how to see what it says. */
export interface ServiceOutput {
  readonly container: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  readonly logs: pulumi.Output<string>;
}

function describe(container: docker.Container): ServiceOutput {
  return {
    container: container.name,
    image: container.image,
    logs: pulumi.interpolate`docker logs --follow ${container.name}`,
  };
}

type ServiceImage = ImageDefinition & { readonly service: ServiceNeeds };

function isService(image: ImageDefinition): image is ServiceImage {
  return image.service !== undefined;
}

/** Runs the queue and one worker per stage on networks of their own, and tells where each can be seen. */
export function runServices(args: ServicesArgs): Record<string, ServiceOutput> {
  const { settings } = args;
  const prefix = `cp-whisperx-${settings.stack}`;
  // Workers reach the queue and nothing else; with a secret for it, a stage that says so also reaches the internet.
  const inside = new docker.Network("inside", { name: `${prefix}-inside`, internal: true });
  const secrets = secretFiles(args, prefix);
  const outside = secrets && new docker.Network("outside", { name: `${prefix}-outside` });

  const common = ({ name, service }: ServiceImage, networks: docker.Network[]) => ({
    containerName: `${prefix}-${name}`,
    image: imageNamed(args.images, name).reference,
    user: settings.user,
    memoryMegabytes: settings.memoryMegabytes[name] ?? service.memoryMegabytes,
    networks: networks.map((network) => ({ name: network.name })),
    healthcheckSeconds: settings.healthcheckSeconds,
    stopSeconds: settings.stopSeconds,
    labels: { "cp-whisperx.stack": settings.stack, "cp-whisperx.service": name },
  });

  const isQueue = (image: ImageDefinition): boolean => image.name === QUEUE;
  const running = catalog.filter(isService);
  const [queue] = running
    .filter(isQueue)
    .map((image) => new Queue(QUEUE, { ...common(image, [inside]), volumeName: `${prefix}-queue` }));
  if (queue === undefined) throw new Error(`images/catalog.ts: no service ${QUEUE}`);

  const cache = args.modelCache.access;
  const stages = running
    .filter((image) => !isQueue(image))
    .map((image) => {
      const { models, internet, secrets: wanted } = image.service;
      const granted = wanted === undefined ? undefined : secrets;
      const stage = new StageService(
        image.name,
        {
          ...common(image, internet && outside ? [inside, outside] : [inside]),
          queueUrl: queue.url,
          accelerator: accelerator(settings, image.name, image.service),
          mounts: [...args.films.mounts, ...(models ? [cache.mount] : []), ...(granted ? [granted.mount] : [])],
          environment: {
            LOG_LEVEL: settings.logLevel,
            LOG_FORMAT: settings.logFormat,
            ...(models ? cache.environment : {}),
            ...stageEnvironment(settings, image.name),
          },
        },
        { dependsOn: [queue.container, args.films.made, ...(models ? args.modelCache.filled : []), ...(granted?.written ?? [])] },
      );
      return [image.name, describe(stage.container)] as const;
    });
  return { [QUEUE]: describe(queue.container), ...Object.fromEntries(stages) };
}

function secretFiles({ settings, images }: ServicesArgs, prefix: string): SecretFiles | undefined {
  if (settings.tmdbApiKey === undefined) return undefined;
  return new SecretFiles("secrets", {
    volumeName: `${prefix}-secrets`,
    secrets: { tmdb_api_key: settings.tmdbApiKey },
    image: imageNamed(images, "base").reference,
    user: settings.user,
  });
}

function stageEnvironment(settings: Settings, stage: string): Record<string, string> {
  return Object.fromEntries(Object.entries(settings.stages[stage] ?? {}).map(([key, value]) => [key, String(value)]));
}
