/** What the program declares for a stack, found by running it against a monitor that only records. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { keyOf } from "../../host/deployed";
import { recordRequests } from "./requests";

/** A declared resource. */
export interface Declared {
  readonly type: string;
  readonly name: string;
  /** In plain text, also secrets. A digest that the program gets from an image is `digestOf` its name. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** `type::name` of every resource that it depends on. */
  readonly dependencies: readonly string[];
}

export const IMAGE = "docker-build:index:Image";

/** A stand-in for the digest of an image that is not built. */
export function digestOf(image: string): string {
  return `sha256:${createHash("sha256").update(image).digest("hex")}`;
}

/** The value with `change(part)` in place of every part of it, from the outside in, for which that is defined. */
function mapParts(value: unknown, change: (part: unknown) => unknown): unknown {
  const changed = change(value);
  if (changed !== undefined) return changed;
  if (Array.isArray(value)) return value.map((part) => mapParts(part, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, mapParts(part, change)]));
}

/** The value with `change` applied to every text in it. */
export function mapTexts(value: unknown, change: (text: string) => string): unknown {
  return mapParts(value, (part) => (typeof part === "string" ? change(part) : undefined));
}

/** The value with plain text for every secret in Pulumi's protocol. */
function plain(value: unknown): unknown {
  return mapParts(value, (part) => (pulumi.runtime.isRpcSecret(part) ? plain(pulumi.runtime.unwrapRpcSecret(part)) : undefined));
}

/** The value with a text in place of everything that the stack file encrypts. */
function withoutEncrypted(value: unknown): unknown {
  return mapParts(value, (part) => (typeof part === "object" && part !== null && "secure" in part ? "encrypted" : undefined));
}

/** The stack file's settings as Pulumi passes them: text, or JSON; and the keys of encrypted ones. */
export function readConfig(stackFile: string): [values: Record<string, string>, secretKeys: string[]] {
  const { config = {} } = parse(stackFile) as { config?: Record<string, unknown> };
  const entries = Object.entries(config);
  const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
  return [
    Object.fromEntries(entries.map(([key, value]) => [key, text(withoutEncrypted(value))])),
    entries.filter(([, value]) => JSON.stringify(value) !== JSON.stringify(withoutEncrypted(value))).map(([key]) => key),
  ];
}

/** The part of a registration that Pulumi's mocks do not pass on. */
interface Registration {
  getType(): string;
  getName(): string;
  getDependenciesList(): string[];
}

const withoutParents = (urn: string): string => urn.split("::").slice(2).join("::").replace(/^.*\$/, "");

/**
 * The resources of the stack.
 *
 * Needs neither an engine nor a state nor a passphrase: every command and every
 * look into the state answers nothing, as for a stack that was never deployed.
 * @param stackFile the text of Pulumi.<stack>.yaml.
 * @throws RunError for invalid settings.
 */
export async function declaredResources(stack: string, stackFile: string): Promise<Declared[]> {
  const recorded: Declared[] = [];
  const requests = new Map<string, Registration>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const dependencies = requests.get(keyOf(type, name))?.getDependenciesList().map(withoutParents) ?? [];
        recorded.push({ type, name, inputs: plain(inputs) as Declared["inputs"], dependencies });
        return { id: name, state: { ...inputs, ...(type === IMAGE ? { digest: digestOf(name) } : {}) } as object };
      },
      call: ({ token }) => (token === "command:local:run" ? { stdout: "" } : {}),
    },
    "cp-whisperx",
    stack,
    true,
    "organization",
  );
  recordRequests(requests);
  const [values, secretKeys] = readConfig(stackFile);
  pulumi.runtime.setAllConfig(values, secretKeys);
  process.env.PULUMI_CONFIG_SECRET_KEYS = JSON.stringify(secretKeys);
  // Nothing is deployed, so what the host lacks does not matter.
  process.env.CP_WHISPERX_BUILD = "yes";
  const { default: program } = await import("../../index");
  await pulumi.runtime.runInPulumiStack(program);
  await pulumi.runtime.disconnect();
  return recorded;
}
