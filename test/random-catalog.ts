import fc from "fast-check";
import { EXTERNAL, SCRATCH, VARIANTS, type ImageDefinition, type Variant } from "../images/catalog";
import type { Wanted } from "../images/plan";

const roots = [EXTERNAL, SCRATCH];

/** What is drawn of an image; the numbers choose among the images before it. */
const drawn = fc.record({
  parent: fc.nat(),
  parentOfVariant: fc.option(fc.nat(), { nil: undefined }),
  uses: fc.array(fc.nat(), { maxLength: 3 }),
  variants: fc.subarray<Variant>(["cuda", "cuda-slim"]),
  service: fc.boolean(),
});

/** Random image hierarchies of 1 to 12 images in several variants, without circles, listed in any order. */
export const randomCatalog: fc.Arbitrary<ImageDefinition[]> = fc
  .array(drawn, { minLength: 1, maxLength: 12 })
  .map((images) =>
    images.map(({ parent, parentOfVariant, uses, variants, service }, index): ImageDefinition => {
      const earlier = (choice: number): string => `image-${choice % index}`;
      const anyEarlier = (choice: number): string => {
        const place = choice % (index + roots.length);
        return roots[place - index] ?? earlier(place);
      };
      return {
        name: `image-${index}`,
        description: "random",
        parent: anyEarlier(parent),
        variants: ["cpu", ...variants],
        ...(parentOfVariant === undefined ? {} : { parentOfVariant: { cuda: anyEarlier(parentOfVariant) } }),
        uses: index === 0 ? [] : [...new Set(uses.map(earlier))],
        ...(service ? { service: { memoryMegabytes: 64 } } : {}),
      };
    }),
  )
  .chain((catalog) => fc.shuffledSubarray(catalog, { minLength: catalog.length }));

/** A random hierarchy and what a stack wants of it: its services and at least one more image, in any variant. */
export const randomStack: fc.Arbitrary<{ catalog: ImageDefinition[]; wanted: Wanted }> = randomCatalog.chain((catalog) =>
  fc.record({
    catalog: fc.constant(catalog),
    wanted: fc.record({
      variant: fc.constantFrom(...VARIANTS),
      images: fc.subarray(catalog.map(({ name }) => name), { minLength: 1 }),
    }),
  }),
);
