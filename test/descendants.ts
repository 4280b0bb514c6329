import { dependencies, type Dependent } from "../images/plan";

/** Names of the image and of all images from which a path of dependencies leads to it. */
export function descendants(images: readonly Dependent[], name: string): Set<string> {
  const reaches = (from: string): boolean =>
    from === name || images.some((image) => image.name === from && dependencies(image).some(reaches));
  return new Set(images.map((image) => image.name).filter(reaches));
}
