import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../host/engine";
import { catalog, type ImageDefinition, type ServiceNeeds } from "../images/catalog";
import { imageNamed, type Hierarchy } from "../images/hierarchy";
import type { Settings } from "../settings";
import type { FilmFolders } from "../volumes/film-folders";
import { nativeEnvironment } from "../volumes/host-python";
import type { Identities, Identity } from "../volumes/identities";
import type { ModelCache } from "../volumes/model-cache";
import { SecretFiles } from "../volumes/secret-files";
import { accelerator } from "./accelerator";
import { Queue } from "./queue";
import { StageService } from "./stage";

/** The service that the others wait for. */
const QUEUE = "queue";

export interface ServicesArgs {
  readonly settings: Settings;
  readonly engine: Engine;
  readonly images: Hierarchy;
  readonly modelCache: ModelCache;
  readonly films: FilmFolders;
  readonly identities: Identities;
}

/** A running service and how to see what it says. */
export interface ServiceOutput {
  readonly container: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  readonly logs: pulumi.Output<string>;
}

function describe(container: docker.Container, engine: Engine): ServiceOutput {
  return {
    container: container.name,
    image: container.image,
    logs: pulumi.interpolate`${engine.command} logs --follow ${container.name}`,
  };
}

type ServiceImage = ImageDefinition & { readonly service: ServiceNeeds };

function isService(image: ImageDefinition): image is ServiceImage {
  return image.service !== undefined;
}

/** What the services of a stack share. */
interface Place extends ServicesArgs {
  /** What the names in the engine begin with. */
  readonly prefix: string;
  /** The network of the queue and all workers; it leads nowhere else. */
  readonly inside: docker.Network;
  /** The network that leads to the internet; there where a stage has a secret for something in it. */
  readonly outside?: docker.Network;
  readonly secrets?: SecretFiles;
}

/** Runs the queue and one worker per stage on networks of their own, and tells where each can be seen. */
export function runServices(args: ServicesArgs): Record<string, ServiceOutput> {
  const { settings, engine } = args;
  const prefix = `cp-whisperx-${settings.stack}`;
  const inside = new docker.Network("inside", { name: `${prefix}-inside`, internal: true }, engine.options);
  const secrets = secretFiles(args);
  const outside = secrets && new docker.Network("outside", { name: `${prefix}-outside` }, engine.options);
  const place = { ...args, prefix, inside, outside, secrets };

  const running = catalog.filter(isService);
  const [queue] = running.filter(isQueue).map((image) => {
    return new Queue(QUEUE, { ...containerArgs(place, image), engine, volume: args.identities.volume(QUEUE) }, engine.options);
  });
  if (queue === undefined) throw new Error(`images/catalog.ts: no service ${QUEUE}`);
  const stages = running
    .filter((image) => !isQueue(image))
    .map((image) => [image.name, describe(runStage(place, queue, image).container, engine)] as const);
  return { [QUEUE]: describe(queue.container, engine), ...Object.fromEntries(stages) };
}

function isQueue({ name }: ImageDefinition): boolean {
  return name === QUEUE;
}

/** What the containers of all services have. */
function containerArgs({ settings, prefix, images, inside, outside }: Place, { name, service }: ServiceImage) {
  return {
    containerName: `${prefix}-${name}`,
    image: imageNamed(images, name).reference,
    user: settings.user,
    memoryMegabytes: settings.memoryMegabytes[name] ?? service.memoryMegabytes,
    networks: [inside, ...(service.internet && outside ? [outside] : [])].map((network) => ({ name: network.name })),
    startSeconds: settings.startSeconds,
    stopSeconds: settings.stopSeconds,
    labels: { "cp-whisperx.stack": settings.stack, "cp-whisperx.service": name },
  };
}

/** Something that a stage is given: what it mounts, what points there, and what must be done before it starts. */
interface Grant {
  readonly mounts: docker.types.input.ContainerMount[];
  /** Of what is mounted, where it may vanish. */
  readonly identity?: Identity;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ready?: pulumi.Resource[];
}

function grants({ settings, films, modelCache, secrets }: Place, { service }: ServiceImage): Grant[] {
  const native = nativeEnvironment(settings, service);
  return [
    { mounts: films.mounts, identity: films.identity, ready: [films.ready] },
    ...(service.models ? [{ ...modelCache.access, identity: modelCache.identity, ready: modelCache.filled }] : []),
    ...(service.secrets && secrets ? [{ mounts: [secrets.mount], identity: secrets.identity, ready: secrets.written }] : []),
    ...(native ? [native] : []),
  ];
}

function runStage(place: Place, queue: Queue, image: ServiceImage): StageService {
  const { settings, engine } = place;
  const granted = grants(place, image);
  return new StageService(
    image.name,
    {
      ...containerArgs(place, image),
      queueUrl: queue.url,
      accelerator: accelerator(settings, image.name),
      mounts: granted.flatMap(({ mounts }) => mounts),
      mounted: granted.filter((grant) => "identity" in grant).map(({ identity }) => identity),
      environment: {
        LOG_LEVEL: settings.logLevel,
        LOG_FORMAT: settings.logFormat,
        ...Object.fromEntries(granted.flatMap(({ environment = {} }) => Object.entries(environment))),
        ...stageEnvironment(settings, image.name),
      },
    },
    { ...engine.options, dependsOn: [queue.container, ...granted.flatMap(({ ready }) => ready ?? [])] },
  );
}

function secretFiles({ settings, engine, images, identities }: ServicesArgs): SecretFiles | undefined {
  if (settings.tmdbApiKey === undefined) return undefined;
  return new SecretFiles("secrets", {
    engine,
    volume: identities.volume("secrets"),
    secrets: { tmdb_api_key: settings.tmdbApiKey },
    image: imageNamed(images, "base").reference,
    user: settings.user,
  });
}

function stageEnvironment(settings: Settings, stage: string): Record<string, string> {
  return Object.fromEntries(Object.entries(settings.stages[stage] ?? {}).map(([key, value]) => [key, String(value)]));
}
