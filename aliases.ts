/** Where deployed stacks have their resources: Pulumi moves them from there instead of replacing them. */
import * as pulumi from "@pulumi/pulumi";

/** Below the component of that type and name: each image, service and volume once had one of its own. */
export function movedFrom(type: string, name: string): pulumi.Alias {
  return { parent: pulumi.createUrn(name, type) };
}
