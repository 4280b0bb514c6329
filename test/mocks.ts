/** Pulumi mocks that record every resource and derive an image's digest from its inputs. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { keyOf } from "../host/deployed";
import { recordRequests } from "../toolchain/export/requests";

export interface RecordedResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** The manifest digest, if it is an image. */
  readonly digest?: string;
  /** The resource options that are set. */
  readonly options: Record<string, unknown>;
  /** URN of its parent. The mocks' URNs lack the types of grandparents. */
  readonly parent: string;
  readonly aliases: readonly Alias[];
}

/** An alias of a resource: a URN, or the parts that differ from its current URN. */
export type Alias = string | { readonly name: string; readonly type: string; readonly parent: string; readonly noParent: boolean };

/** The part of a RegisterResourceRequest that the mocks read. */
interface Registration {
  getType(): string;
  getName(): string;
  getParent(): string;
  getDependenciesList(): string[];
  getProtect(): boolean | undefined;
  getRetainondelete(): boolean | undefined;
  getDeletebeforereplace(): boolean;
  getReplaceonchangesList(): string[];
  getReplacementTrigger(): { toJavaScript(): unknown } | undefined;
  getIgnorechangesList(): string[];
  getProvider(): string;
  getCustomtimeouts(): { toObject(): Record<string, string> } | undefined;
  getAliasesList(): { getUrn(): string; getSpec(): AliasSpec | undefined }[];
}

interface AliasSpec {
  getName(): string;
  getType(): string;
  getParenturn(): string;
  getNoparent(): boolean;
}

/** A digest for a build with these inputs: a pure function of sources and references. */
function digestOf(inputs: Record<string, unknown>): string {
  const { tags, buildArgs } = inputs as { tags: string[]; buildArgs: unknown };
  return `sha256:${createHash("sha256").update(JSON.stringify([tags[1], buildArgs])).digest("hex")}`;
}

const outputs: Readonly<Record<string, (inputs: Record<string, unknown>) => Record<string, string>>> = {
  "docker-build:index:Image": (inputs) => ({ digest: digestOf(inputs), ref: "mocked" }),
  "command:local:Command": () => ({ stdout: "", stderr: "" }),
};

function aliasesOf(request: Registration): Alias[] {
  return request.getAliasesList().map((alias) => {
    const spec = alias.getSpec();
    if (spec === undefined) return alias.getUrn();
    return { name: spec.getName(), type: spec.getType(), parent: spec.getParenturn(), noParent: spec.getNoparent() };
  });
}

const nameIn = (urn: string): string => urn.split("::")[3] ?? "";

/** The type of every stack's root; omitted as a parent. */
const STACK_TYPE = "pulumi:pulumi:Stack";

function isSet(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function optionsOf(request: Registration): Record<string, unknown> {
  const timeouts = Object.entries(request.getCustomtimeouts()?.toObject() ?? {}).filter(([, value]) => value !== "");
  const options = {
    parent: request.getParent().includes(`::${STACK_TYPE}::`) ? "" : nameIn(request.getParent()),
    provider: nameIn(request.getProvider()),
    dependsOn: request.getDependenciesList().map(nameIn).sort(),
    protect: request.getProtect(),
    retainOnDelete: request.getRetainondelete(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
    replaceOnChanges: request.getReplaceonchangesList(),
    replacementTrigger: request.getReplacementTrigger()?.toJavaScript(),
    ignoreChanges: request.getIgnorechangesList(),
    timeouts: timeouts.length > 0 ? Object.fromEntries(timeouts) : undefined,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => isSet(value)));
}

interface MockOptions {
  readonly preview?: boolean;
  readonly deployed?: Readonly<Record<string, unknown>>;
  readonly state?: Readonly<Record<string, object>>;
}

/** The state's resources, as the engine returns them: by URN. */
function resourcesIn(state: Required<MockOptions>["state"], stack: string): Record<string, { type: string; outputs: object }> {
  const entries = Object.entries(state).map(([key, found]) => [`urn:pulumi:${stack}::cp-whisperx::${key}`, { type: key.split("::")[0] ?? "", outputs: found }]);
  return Object.fromEntries(entries) as ReturnType<typeof resourcesIn>;
}

/**
 * Installs the mocks; the returned list fills while resources are declared. `answers` are the outputs of the commands that
 * the program runs, by a part of the command line; `preview` makes it a preview; `deployed` are the outputs of the last
 * deployment; `state` are the outputs of its resources, by `type::name`.
 */
export async function mockPulumi(
  stack: string,
  answers: Readonly<Record<string, string>> = {},
  { preview = false, deployed = {}, state = {} }: MockOptions = {},
): Promise<RecordedResource[]> {
  const recorded: RecordedResource[] = [];
  const requests = new Map<string, Registration>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const values = inputs as Record<string, unknown>;
        if (type === STACK_TYPE) return { id: name, state: values };
        const made = outputs[type]?.(values) ?? {};
        const request = requests.get(keyOf(type, name));
        recorded.push({
          ...{ type, name, inputs: values, digest: made.digest },
          options: request ? optionsOf(request) : {},
          parent: request?.getParent() ?? "",
          aliases: request ? aliasesOf(request) : [],
        });
        return { id: `${name}-id`, state: { ...values, ...made } };
      },
      call: ({ token, inputs }) => {
        if (token === "pulumi:pulumi:readStackOutputs") return { outputs: deployed };
        if (token === "pulumi:pulumi:readStackResourceOutputs") return { outputs: resourcesIn(state, stack) };
        if (token !== "command:local:run") return {};
        const { command } = inputs as { command: string };
        const [, answer] = Object.entries(answers).find(([part]) => command.includes(part)) ?? [];
        // The SDK reads the message of a failed call from its details.
        if (answer === undefined) throw Object.assign(new Error(), { details: `no answer to ${command}` });
        return { stdout: answer };
      },
    },
    "cp-whisperx",
    stack,
    preview,
    "organization",
  );
  recordRequests(requests);
  return recorded;
}

/** Waits until every declared resource has been recorded. */
export async function settled(): Promise<void> {
  await pulumi.runtime.disconnect();
}
