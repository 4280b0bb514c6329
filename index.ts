/** A speech-to-subtitles application as one Pulumi program: settings, images, volumes, services, outputs. */
import { readCertificates } from "./images/certificates";
import { MODEL_IMAGES } from "./images/catalog";
import { buildHierarchy, imageNamed } from "./images/hierarchy";
import { runServices } from "./services/services";
import { readSettings } from "./settings";
import { FilmFolders } from "./volumes/film-folders";
import { ModelCache } from "./volumes/model-cache";

const settings = readSettings();

const hierarchy = buildHierarchy({
  registry: settings.registry,
  namespace: settings.namespace,
  variant: settings.variant,
  images: MODEL_IMAGES.packaged,
  platform: settings.platform,
  builder: settings.builder,
  externalImages: settings.baseImages,
  certificates: readCertificates(settings.certificates),
  sources: "docker",
  staging: "build/contexts",
});

const modelCache = new ModelCache("model-cache", {
  volumeName: `cp-whisperx-${settings.stack}-model-cache`,
  modelsImage: imageNamed(hierarchy, "models").reference,
  user: settings.user,
});
const filmFolders = new FilmFolders("films", { ...settings.films, user: settings.user });

/** Every image: what to pull it by, its digest, and the tag that names its sources. */
export const images = Object.fromEntries(
  Object.entries(hierarchy.images).map(([name, { reference, digest, tag }]) => [name, { reference, digest, tag }]),
);
/** Every service: its container, the image it runs and how to see its logs. */
export const services = runServices({ settings, images: hierarchy, modelCache, films: filmFolders });
export const volumes = { modelCache: modelCache.volumeName };
/** Folders on the host: films to subtitle, jobs and results, files for the stages. */
export const films = { in: filmFolders.in, out: filmFolders.out, config: filmFolders.config };
