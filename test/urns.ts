/** Which resources of an earlier program the current one adopts, by Pulumi's rules for URNs and aliases. */
import type { RecordedResource } from "./mocks";

/** A URN without stack and project: the types of the parents and the resource's own, and its name. */
interface Place {
  readonly types: string;
  readonly name: string;
}

const STACK = "pulumi:pulumi:Stack";

const text = ({ types, name }: Place): string => `${types}::${name}`;

function placeIn(urn: string): Place {
  const [, , types = "", name = ""] = urn.split("::");
  return { types: types.replace(`${STACK}$`, ""), name };
}

/** Yields the URNs of a resource: the current one, then its aliases in an earlier program. */
function placesIn(resources: readonly RecordedResource[]): (resource: RecordedResource) => Place[] {
  const parents = (urn: string): (Place | undefined)[] => {
    const { types, name } = placeIn(urn);
    if (types === "" || types === STACK) return [undefined];
    const parent = resources.find((resource) => resource.type === types.split("$").at(-1) && resource.name === name);
    return parent ? placesOf(parent) : [{ types, name }];
  };
  const named = (type: string, name: string, parentUrn: string): Place[] =>
    parents(parentUrn).map((parent, _, [now]) => {
      if (parent === undefined) return { types: type, name };
      // A child that is named after its parent was named after the parent's earlier name.
      const earlier = now && name.startsWith(now.name) ? `${parent.name}${name.slice(now.name.length)}` : name;
      return { types: `${parent.types}$${type}`, name: earlier };
    });
  const placesOf = ({ type, name, parent, aliases }: RecordedResource): Place[] => [
    ...named(type, name, parent),
    ...aliases.flatMap((alias) =>
      typeof alias === "string"
        ? [placeIn(alias)]
        : named(alias.type || type, alias.name || name, alias.noParent ? "" : alias.parent || parent),
    ),
  ];
  return placesOf;
}

/** The earlier URNs (`types::name`) that no resource adopts: a deployment would delete their resources. */
export function lostUrns(earlier: readonly string[], resources: readonly RecordedResource[]): string[] {
  const taken = new Set(resources.flatMap(placesIn(resources)).map(text));
  return earlier.filter((urn) => !taken.has(urn));
}
