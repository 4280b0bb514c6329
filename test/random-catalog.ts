import fc from "fast-check";
import { EXTERNAL, SCRATCH, type ImageDefinition } from "../images/catalog";

/** Random image hierarchies of 1 to 12 images without circles, listed in any order. */
export const randomCatalog: fc.Arbitrary<ImageDefinition[]> = fc
  .array(fc.record({ parent: fc.nat(), uses: fc.array(fc.nat(), { maxLength: 3 }), service: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((nodes) =>
    nodes.map((node, index): ImageDefinition => {
      const earlier = (choice: number): string => `image-${choice % index}`;
      const roots = [EXTERNAL, SCRATCH];
      const choice = node.parent % (index + roots.length);
      return {
        name: `image-${index}`,
        description: "random",
        parent: roots[choice - index] ?? earlier(choice),
        uses: index === 0 ? [] : [...new Set(node.uses.map(earlier))],
        ...(node.service ? { service: { memoryMegabytes: 64 } } : {}),
      };
    }),
  )
  .chain((catalog) => fc.shuffledSubarray(catalog, { minLength: catalog.length }));
