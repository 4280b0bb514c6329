/** A speech-to-subtitles application as one Pulumi program: settings, images, volumes, services, outputs. */
import { reportingChanges } from "./changes/report";
import { Engine } from "./host/engine";
import { deployedOutputs, staysOnMachine } from "./host/machine";
import { preflight } from "./host/preflight";
import { buildsOnly } from "./host/purpose";
import { MODEL_IMAGES } from "./images/catalog";
import { readCertificates } from "./images/certificates";
import { buildHierarchy, imageNamed } from "./images/hierarchy";
import { runServices } from "./services/services";
import { readSettings } from "./settings";
import { FilmFolders } from "./volumes/film-folders";
import { filmPaths } from "./volumes/film-paths";
import { readIdentities } from "./volumes/identities";
import { ModelCache } from "./volumes/model-cache";
import { hubArgs } from "./volumes/prefetch";

export = () => reportingChanges(async () => {
  const settings = readSettings();
  await staysOnMachine(settings);
  const engineFacts = await preflight(settings);

  const certificates = readCertificates(settings.certificates);
  const hierarchy = buildHierarchy({
    registry: settings.registry,
    namespace: settings.namespace,
    variant: settings.variant,
    images: MODEL_IMAGES[settings.models.source],
    platform: settings.platform,
    builder: settings.builder,
    externalImages: settings.baseImages,
    registryLogin: settings.registryLogin,
    certificates,
    sources: "docker",
    staging: "build/contexts",
  });

  const engine = new Engine({ ...settings, ...engineFacts });
  const paths = filmPaths(settings.films);
  const identities = await readIdentities(engine, engineFacts.volumes, settings.stack, paths);
  const modelCache = new ModelCache("model-cache", {
    engine,
    volume: identities.volume("model-cache"),
    models: imageNamed(hierarchy, "models"),
    hub: hubArgs(settings, hierarchy, certificates),
    user: settings.user,
  });
  const films = new FilmFolders("films", {
    paths,
    identity: identities.films,
    user: settings.user,
    engine,
    image: imageNamed(hierarchy, "base").reference,
  });

  const outputs = {
    /** Every image: what to pull it by, its digest, and the tag that names its sources. */
    images: Object.fromEntries(
      Object.entries(hierarchy.images).map(([name, { reference, digest, tag }]) => [name, { reference, digest, tag }]),
    ),
    /** Every service: its container, the image it runs and how to see its logs. */
    services: runServices({ settings, engine, images: hierarchy, modelCache, films, identities }),
    volumes: { modelCache: modelCache.volumeName },
    /** Machine whose engine runs the services, as ssh://user@machine; left out where it is this one. */
    ...(settings.host === undefined ? {} : { host: settings.host }),
    /** Folders on that machine: films to subtitle, jobs and results, files for the stages. */
    films: films.paths,
  };
  // Images that are only built are deployed by the next up.
  return buildsOnly() ? deployedOutputs(settings.stack) : outputs;
});
