import fc from "fast-check";
import { expect, it } from "vitest";
import { buildArgument, readDockerfile } from "./dockerfile";

const NETWORK = "RUN --mount=type=bind,from=tool,target=/tool \\\n    # trusted certificates\n    --mount=type=secret,id=ca \\\n    true";

function dockerfile(uses: readonly string[], network: boolean): string {
  const images = ["BASE_IMAGE", ...uses.map(buildArgument)].map((argument) => `ARG ${argument}`);
  return [...images, "ARG VARIANT=cpu", "FROM ${BASE_IMAGE}", "ARG LATER_IMAGE", network ? NETWORK : "RUN true", ""].join("\n");
}

it("reads which images a build uses, and whether it uses the network, for any images", () => {
  const name = fc.stringMatching(/^[a-z]\d?(-[a-z0-9]{1,5}){0,2}$/).filter((one) => one !== "base");
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 4 }), fc.boolean(), (uses, network) => {
      expect(readDockerfile(dockerfile(uses, network))).toEqual({ uses, network });
    }),
  );
});

it("ignores comments and other mounts", () => {
  const text = "# ARG OLD_IMAGE\nARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n# RUN --mount=type=secret,id=ca true\nRUN --mount=type=secret,id=cargo --mount=type=cache,id=ca true\n";
  expect(readDockerfile(text)).toEqual({ uses: [], network: false });
});

it("converts an image's name to a build argument", () => {
  expect(buildArgument("build-tools")).toBe("BUILD_TOOLS_IMAGE");
});
