/** What a Dockerfile says of the build that runs it. */
import { DockerfileParser, JSONInstruction } from "dockerfile-ast";

export interface DockerfileFacts {
  /** Other images that it copies from or mounts: its build arguments `<NAME>_IMAGE`, but for `BASE_IMAGE`, the parent. */
  readonly uses: readonly string[];
  /** Whether it mounts the secret `ca`: it reaches package registries, and so trusts the host's certificates. */
  readonly network: boolean;
}

const PARENT = "BASE_IMAGE";

/** The build argument that names another image: `build-tools` is `BUILD_TOOLS_IMAGE`. */
export function buildArgument(image: string): string {
  return `${image.replaceAll("-", "_").toUpperCase()}_IMAGE`;
}

function imageOf(argument: string): string {
  return argument.replace(/_IMAGE$/, "").replaceAll("_", "-").toLowerCase();
}

/** Reads the text of a Dockerfile. */
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
