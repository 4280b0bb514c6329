/** Aliases for resources of older stacks: Pulumi moves them instead of replacing them. */
import * as pulumi from "@pulumi/pulumi";

/** The former parent: each image, service and volume once had its own component of this type and name. */
export function movedFrom(type: string, name: string): pulumi.Alias {
  return { parent: pulumi.createUrn(name, type) };
}
