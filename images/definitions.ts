import { readFileSync } from "node:fs";
import * as path from "node:path";
import { catalog, type CatalogImage } from "../catalog";
import { DEFAULT_VARIANT, type Variant } from "../variants";
import { readDockerfile, type DockerfileFacts } from "./dockerfile";

/** An image as its build needs it: the catalogue's row, with what its Dockerfile says. */
export interface ImageDefinition extends CatalogImage, DockerfileFacts {
  readonly variants: readonly Variant[];
}

/** Folder with one build context per image, in the checkout. */
export const SOURCES = "docker";

/** The images with what their Dockerfiles below `sources` say. @throws Error where one cannot be read. */
export function readDefinitions(images: readonly CatalogImage[] = catalog, sources = SOURCES): ImageDefinition[] {
  return images.map((image) => ({
    variants: [DEFAULT_VARIANT],
    ...image,
    ...readDockerfile(readFileSync(path.join(sources, image.name, "Dockerfile"), "utf8")),
  }));
}
