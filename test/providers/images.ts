/** A catalogue of two small images, for the tests of the providers. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { SCRATCH, type CatalogImage } from "../../catalog";

export const CATALOG: readonly CatalogImage[] = [
  { name: "parent", parent: SCRATCH, description: "a file" },
  { name: "child", parent: "parent", description: "a second file", service: { memoryMegabytes: 1 } },
];

const DOCKERFILES = {
  parent: "FROM scratch\nCOPY content /parent\n",
  child: "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY content /child\n",
};

/** Writes the sources of the images to `docker/` in a checkout. */
export function writeSources(checkout: string): void {
  for (const [name, dockerfile] of Object.entries(DOCKERFILES)) {
    const folder = path.join(checkout, "docker", name);
    mkdirSync(path.join(folder, "content"), { recursive: true });
    writeFileSync(path.join(folder, "Dockerfile"), dockerfile);
    writeFileSync(path.join(folder, "content", "file.txt"), `${name}\n`);
    writeFileSync(path.join(folder, "unread.txt"), "no instruction reads this\n");
    writeFileSync(path.join(folder, "content", "run.sh"), "true\n");
    chmodSync(path.join(folder, "content", "run.sh"), 0o755);
  }
}
