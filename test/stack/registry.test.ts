import { createHash, randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { REGISTRY, STACK } from "./stack";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";
const repository = `http://${REGISTRY}/v2/${STACK}-registry/concurrent-pushes`;

interface Descriptor { readonly mediaType: string; readonly digest: string; readonly size: number }

/** Uploads a blob as a push does. */
async function upload(content: Buffer, mediaType: string): Promise<Descriptor> {
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const started = await fetch(`${repository}/blobs/uploads/`, { method: "POST" });
  const address = new URL(started.headers.get("location") ?? "", repository);
  address.searchParams.set("digest", digest);
  const finished = await fetch(address, { method: "PUT", body: new Uint8Array(content), headers: { "content-type": "application/octet-stream" } });
  if (finished.status !== 201) throw new Error(`${digest}: ${finished.status} ${await finished.text()}`);
  return { mediaType, digest, size: content.length };
}

// BuildKit pushes an image while it exports the cache to the same repository, so that both bring the same layers.
it("the registry accepts a manifest while its layers are uploaded again", async () => {
  const answers: string[] = [];
  for (let round = 0; round < 20; round++) {
    const contents = [[randomBytes(2000), LAYER], [Buffer.from(`{"architecture":"amd64","os":"linux","round":${round}}`), CONFIGURATION]] as const;
    const uploadAll = async (): Promise<Descriptor[]> => Promise.all(contents.map(async ([content, type]) => upload(content, type)));
    const [layer, config] = await uploadAll();
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] });
    let pushed = false;
    const again = async (): Promise<void> => { while (!pushed) await uploadAll(); };
    const push = async (): Promise<void> => {
      for (let tag = 0; tag < 10; tag++) {
        const response = await fetch(`${repository}/manifests/${tag}`, { method: "PUT", body: manifest, headers: { "content-type": MANIFEST } });
        answers.push(response.status === 201 ? "201" : `${response.status} ${await response.text()}`);
      }
      pushed = true;
    };
    await Promise.all([push(), again(), again()]);
  }
  expect(new Set(answers)).toEqual(new Set(["201"]));
});
