import { readFileSync } from "node:fs";
import * as path from "node:path";
import { catalog, type CatalogImage } from "../catalog";
import { DEFAULT_VARIANT, type Variant } from "../variants";
import { readDockerfile, type DockerfileFacts } from "./dockerfile";

/** A row of the catalogue with the facts of its Dockerfile. */
export interface ImageDefinition extends CatalogImage, DockerfileFacts {
  readonly variants: readonly Variant[];
}

/** Folder with one build context per image. */
export const SOURCES = "docker";

/** The images with the facts of their Dockerfiles below `sources`. @throws Error if a Dockerfile cannot be read. */
export function readDefinitions(images: readonly CatalogImage[] = catalog, sources = SOURCES): ImageDefinition[] {
  return images.map((image) => ({
    variants: [DEFAULT_VARIANT],
    ...image,
    ...readDockerfile(readFileSync(path.join(sources, image.name, "Dockerfile"), "utf8")),
  }));
}
