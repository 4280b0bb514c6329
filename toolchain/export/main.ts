/** Writes a stack for bake and Compose: `main.ts STACK FOLDER`. Prints the names of the secrets that Compose reads from files. */
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { stringify } from "yaml";
import { SOURCES } from "../../images/definitions";
import { bakeFile, CERTIFICATES, certificatesOf, imagesIn } from "./bake";
import { composeFile, secretsOf } from "./compose";
import { declaredResources } from "./declared";

function write(file: string, text: string): void {
  writeFileSync(`${file}.partial`, text);
  renameSync(`${file}.partial`, file);
}

/** Copies the images' sources: bake reads no file outside the folder that it runs in. */
function copySources(names: ReadonlySet<string>, folder: string): void {
  const copy = path.resolve(folder, SOURCES);
  if (copy === path.resolve(SOURCES)) return;
  const filter = (file: string): boolean => path.basename(file) !== "__pycache__";
  for (const name of names) cpSync(path.join(SOURCES, name), path.join(copy, name), { recursive: true, filter });
}

/** Writes everything into the folder; returns the names of the secrets that it needs. */
export async function exportStack(stack: string, folder: string): Promise<string[]> {
  const resources = await declaredResources(stack, readFileSync(`Pulumi.${stack}.yaml`, "utf8"));
  mkdirSync(folder, { recursive: true });
  copySources(new Set(imagesIn(resources).map((image) => image.folder)), folder);
  write(path.join(folder, "docker-bake.json"), `${JSON.stringify(bakeFile(resources), undefined, 2)}\n`);
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
