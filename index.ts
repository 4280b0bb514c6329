/** A speech-to-subtitles application as one Pulumi program: settings, host, images, volumes, services, outputs. */
import { MODEL_IMAGES } from "./catalog";
import { reportingChanges } from "./changes/report";
import { readCertificates } from "./host/certificates";
import { warnOfLostServices } from "./host/drift";
import { Engine } from "./host/engine";
import { deployedOutputs, staysOnMachine } from "./host/machine";
import { preflight } from "./host/preflight";
import { buildsOnly } from "./host/purpose";
import { Images } from "./images";
import { Services } from "./services";
import { readSettings } from "./settings";
import { Volumes } from "./volumes";
import { filmPaths } from "./volumes/film-paths";
import { readIdentities } from "./volumes/identities";

export = () => reportingChanges(async () => {
  const settings = readSettings();
  await staysOnMachine(settings);
  const engineFacts = await preflight(settings);
  await warnOfLostServices(settings.stack, engineFacts.running);
  const engine = new Engine({ ...settings, ...engineFacts });
  const identities = await readIdentities(engine, engineFacts.volumes, settings);
  const certificates = readCertificates(settings.certificates);

  const images = new Images("images", { settings, wanted: MODEL_IMAGES[settings.models.source], certificates });
  const volumes = new Volumes("volumes", { settings, engine, images, identities, certificates });
  const services = new Services("services", { settings, engine, images, volumes });

  const outputs = {
    /** The images from outside that all others are built on; they may differ from machine to machine. */
    baseImages: settings.baseImages,
    /** Every image: what to pull it by, its digest, and the tag that names its sources. */
    images: images.built,
    /** Every service: its container, the image it runs and how to see its logs. */
    services: services.running,
    volumes: { modelCache: volumes.modelCache.volumeName },
    /** Machine whose engine runs the services, as ssh://user@machine; left out where it is this one. */
    ...(settings.host === undefined ? {} : { host: settings.host }),
    /** Folders on that machine: films to subtitle, jobs and results, files for the stages. */
    films: filmPaths(settings.films),
  };
  // Images that are only built are deployed by the next up.
  return buildsOnly() ? deployedOutputs(settings.stack) : outputs;
});
