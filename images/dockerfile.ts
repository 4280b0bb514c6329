/** Facts of a Dockerfile that its build needs. */
import { DockerfileParser, JSONInstruction } from "dockerfile-ast";

export interface DockerfileFacts {
  /** Images that it copies from or mounts: its build arguments `<NAME>_IMAGE` except `BASE_IMAGE`, the parent. */
  readonly uses: readonly string[];
  /** Whether it uses the network, shown by a mount of the secret `ca` with the host's certificates. */
  readonly network: boolean;
}

const PARENT = "BASE_IMAGE";

/** The build argument for another image: `BUILD_TOOLS_IMAGE` for `build-tools`. */
export function buildArgument(image: string): string {
  return `${image.replaceAll("-", "_").toUpperCase()}_IMAGE`;
}

function imageOf(argument: string): string {
  return argument.replace(/_IMAGE$/, "").replaceAll("_", "-").toLowerCase();
}

/** Parses the text of a Dockerfile. */
export function readDockerfile(dockerfile: string): DockerfileFacts {
  const parsed = DockerfileParser.parse(dockerfile);
  const declared = parsed.getInitialARGs().map((argument) => argument.getProperty()?.getName() ?? "");
  const flags = parsed.getInstructions().flatMap((one) => (one instanceof JSONInstruction ? one.getFlags() : []));
  const options = flags.filter((flag) => flag.getName() === "mount").map((mount) => mount.getValue()?.split(",") ?? []);
  return {
    uses: [...new Set(declared.filter((name) => name.endsWith("_IMAGE") && name !== PARENT).map(imageOf))],
    network: options.some((one) => one.includes("type=secret") && one.includes("id=ca")),
  };
}
