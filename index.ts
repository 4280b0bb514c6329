/** A speech-to-subtitles application as one Pulumi program: settings, host, images, volumes, services, outputs. */
import { MODEL_IMAGES } from "./catalog";
import { reportingChanges } from "./changes/report";
import { readCertificates } from "./host/certificates";
import { deployedOutputs } from "./host/deployed";
import { checkEngine, warnOfMissingSecrets } from "./host/drift";
import { Engine } from "./host/engine";
import { checkHostUnchanged } from "./host/machine";
import { warnOfOtherOwner } from "./host/owner";
import { preflight } from "./host/preflight";
import { buildsOnly } from "./host/purpose";
import { Images } from "./images";
import { Services } from "./services";
import { readSettings, secretNames } from "./settings";
import { Volumes } from "./volumes";
import { filmPaths } from "./volumes/film-paths";
import { readIdentities } from "./volumes/identities";

export = () => reportingChanges(async (report) => {
  const settings = readSettings();
  const before = await deployedOutputs();
  checkHostUnchanged(settings, before);
  const engineFacts = await preflight(settings);
  await warnOfMissingSecrets(settings, before);
  await warnOfOtherOwner(settings);
  report.recreates(await checkEngine(settings.stack, await report.deployed, engineFacts));
  const engine = new Engine({ ...settings, ...engineFacts });
  const identities = await readIdentities(engine, engineFacts.volumes, settings);
  const certificates = readCertificates(settings.certificates);

  const images = new Images("images", { settings, wanted: MODEL_IMAGES[settings.models.source], certificates });
  const volumes = new Volumes("volumes", { settings, engine, images, identities, certificates });
  const services = new Services("services", { settings, engine, images, volumes });

  const outputs = {
    /** The external images that all others are built on; they may differ between machines. */
    baseImages: settings.baseImages,
    /** Every image: its reference for `docker pull`, its digest, and the tag with the hash of its sources. */
    images: images.built,
    /** Every service: its container, its image and the command that shows its logs. */
    services: services.running,
    /** The secret settings that have a value, by name: another person who deploys needs them, too. */
    secrets: secretNames(settings),
    volumes: { modelCache: volumes.modelCache.volumeName },
    /** The remote machine that runs the services, as ssh://user@machine; absent if it is this one. */
    ...(settings.host === undefined ? {} : { host: settings.host }),
    /** Folders on that machine: films to subtitle, jobs and results, files for the stages. */
    films: filmPaths(settings.films),
  };
  // `make build` deploys nothing, so that the outputs stay those of the last up.
  return buildsOnly() ? before : outputs;
});
