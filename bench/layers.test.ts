import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { imageLayers, isInEngine, storedLayers } from "./layers";

const HOST = "ssh://me@gpu-1";
const IMAGE = "registry.example.org/n/asr@sha256:1";

/** A docker command that records which engine it was asked to use, and knows one image of two layers. */
const DOCKER = `#!/bin/sh
echo "$DOCKER_HOST $1 $2" >>"$FOLDER/calls"
case "$*" in
  *--raw*) echo '{"layers":[{"digest":"sha256:a","size":1},{"digest":"sha256:b","size":2}]}' ;;
  *imagetools*) echo '{"rootfs":{"diff_ids":["one","two"]},"history":[{},{"empty_layer":true},{}]}' ;;
  history*) printf '20\\n0\\n10\\n' ;;
esac
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "layers-"));
  writeFileSync(path.join(folder, "docker"), DOCKER, { mode: 0o755 });
  vi.stubEnv("PATH", `${folder}:/usr/bin:/bin`);
  vi.stubEnv("FOLDER", folder);
  vi.stubEnv("DOCKER_HOST", HOST);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

it("queries the engine in DOCKER_HOST, and the registry from this machine", async () => {
  expect(await isInEngine(IMAGE)).toBe(true);
  expect(await imageLayers(IMAGE)).toEqual([{ id: "one", bytes: 10 }, { id: "two", bytes: 20 }]);
  expect(await storedLayers(IMAGE)).toMatchObject([{ id: "one", compressedBytes: 1 }, { id: "two", compressedBytes: 2 }]);
  const calls = new Set(readFileSync(path.join(folder, "calls"), "utf8").trimEnd().split("\n"));
  expect(calls).toEqual(new Set([`${HOST} image inspect`, `${HOST} history --human=false`, " buildx imagetools"]));
});
