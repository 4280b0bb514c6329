import fc from "fast-check";
import { EXTERNAL, SCRATCH } from "../catalog";
import type { ImageDefinition } from "../images/definitions";
import type { Wanted } from "../images/plan";
import { DEFAULT_VARIANT, VARIANT_NAMES } from "../variants";

const roots = [EXTERNAL, SCRATCH];

/** The random part of an image; the numbers choose among the images before it. */
const drawn = fc.record({
  parent: fc.nat(),
  parentOfVariant: fc.option(fc.nat(), { nil: undefined }),
  uses: fc.array(fc.nat(), { maxLength: 3 }),
  variants: fc.subarray(VARIANT_NAMES.filter((variant) => variant !== DEFAULT_VARIANT)),
  network: fc.boolean(),
  service: fc.boolean(),
});

/** Random hierarchies of 1 to 12 images in several variants, without cycles, in any order. */
export const randomCatalog: fc.Arbitrary<ImageDefinition[]> = fc
  .array(drawn, { minLength: 1, maxLength: 12 })
  .map((images) =>
    images.map(({ parent, parentOfVariant, uses, variants, network, service }, index): ImageDefinition => {
      const earlier = (choice: number): string => `image-${choice % index}`;
      const anyEarlier = (choice: number): string => {
        const place = choice % (index + roots.length);
        return roots[place - index] ?? earlier(place);
      };
      return {
        name: `image-${index}`,
        description: "random",
        parent: anyEarlier(parent),
        variants: [DEFAULT_VARIANT, ...variants],
        network,
        ...(parentOfVariant === undefined ? {} : { parentOfVariant: { cuda: anyEarlier(parentOfVariant) } }),
        uses: index === 0 ? [] : [...new Set(uses.map(earlier))],
        ...(service ? { service: { memoryMegabytes: 64 } } : {}),
      };
    }),
  )
  .chain((catalog) => fc.shuffledSubarray(catalog, { minLength: catalog.length }));

/** A random hierarchy and a stack on it: its services and at least one more image, in any variant. */
export const randomStack: fc.Arbitrary<{ catalog: ImageDefinition[]; wanted: Wanted }> = randomCatalog.chain((catalog) =>
  fc.record({
    catalog: fc.constant(catalog),
    wanted: fc.record({
      variant: fc.constantFrom(...VARIANT_NAMES),
      images: fc.subarray(catalog.map(({ name }) => name), { minLength: 1 }),
    }),
  }),
);
