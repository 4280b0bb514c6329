/** What Pulumi's state holds of the last deployment: the only reader of the state. */
import * as pulumi from "@pulumi/pulumi";

/** The stack's outputs, as far as the program reads them. */
export interface DeployedOutputs {
  readonly host?: string;
  readonly services?: Readonly<Record<string, unknown>>;
  /** The secret settings that had a value. Example: `["models.token"]`. */
  readonly secrets?: readonly string[];
}

/** Outputs of the deployed resources by `type::name` (see keyOf). Not by URN, because parents may change. */
export type DeployedResources = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** Types of the resources that the engine may lose without Pulumi's knowledge. */
export const CONTAINER = "docker:index/container:Container";
export const VOLUME = "docker:index/volume:Volume";

/** A resource's key in DeployedResources. */
export function keyOf(type: string, name: string): string {
  return `${type}::${name}`;
}

async function read<Outputs>(kind: string, argument: string): Promise<Outputs | undefined> {
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const { outputs } = (await pulumi.runtime.invoke(`pulumi:pulumi:${kind}`, { [argument]: stackName })) as { outputs?: Outputs };
  return outputs;
}

/** The outputs of the stack's last deployment; none if it was never deployed. They survive `pulumi destroy` of all its resources. */
export async function deployedOutputs(): Promise<DeployedOutputs> {
  return (await read<DeployedOutputs>("readStackOutputs", "name")) ?? {};
}

/** The resources in the state; to be called before anything changes. */
export async function deployedResources(): Promise<DeployedResources> {
  type Found = Readonly<Record<string, { readonly type: string; readonly outputs: Readonly<Record<string, unknown>> }>>;
  const found = Object.entries((await read<Found>("readStackResourceOutputs", "stackName")) ?? {});
  return new Map(found.map(([urn, { type, outputs }]) => [keyOf(type, urn.split("::").at(-1) ?? ""), outputs]));
}
