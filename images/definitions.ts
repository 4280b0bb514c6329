/** The images as their builds need them: the catalogue's rows, with what their Dockerfiles say. */
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { catalog, type CatalogImage } from "../catalog";
import { DEFAULT_VARIANT, type Variant } from "../variants";
import { readDockerfile, type DockerfileFacts } from "./dockerfile";

export interface ImageDefinition extends CatalogImage, DockerfileFacts {
  readonly variants: readonly Variant[];
}

/** Folder with one build context per image, in the checkout. */
export const SOURCES = "docker";

export const definitions: readonly ImageDefinition[] = catalog.map((image) => ({
  variants: [DEFAULT_VARIANT],
  ...image,
  ...readDockerfile(readFileSync(path.join(SOURCES, image.name, "Dockerfile"), "utf8")),
}));
