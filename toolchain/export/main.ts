/** Writes docker-bake.json and compose.yaml of a stack: `main.ts STACK FOLDER`. Prints the secret files that Compose reads. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { stringify } from "yaml";
import { bakeFile, CERTIFICATES, certificatesOf } from "./bake";
import { composeFile, secretsOf } from "./compose";
import { declaredResources } from "./declared";

function write(file: string, text: string): void {
  writeFileSync(`${file}.partial`, text);
  renameSync(`${file}.partial`, file);
}

/** Writes the files into the folder; returns the names of the secrets that it needs. */
export async function exportStack(stack: string, folder: string): Promise<string[]> {
  const resources = await declaredResources(stack, readFileSync(`Pulumi.${stack}.yaml`, "utf8"));
  mkdirSync(folder, { recursive: true });
  write(path.join(folder, "docker-bake.json"), `${JSON.stringify(bakeFile(resources, folder), undefined, 2)}\n`);
  write(path.join(folder, "compose.yaml"), stringify(composeFile(resources, stack), { lineWidth: 0, aliasDuplicateObjects: false }));
  write(path.join(folder, CERTIFICATES), certificatesOf(resources));
  return secretsOf(resources);
}

if (require.main === module) {
  const [stack = "", folder = ""] = process.argv.slice(2);
  // The program reports changes, and here nothing is deployed.
  console.log = () => undefined;
  exportStack(stack, folder).then(
    (secrets) => { process.stdout.write(secrets.map((name) => `${name}\n`).join("")); },
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    },
  );
}
