/**
 * A stack deployed by an earlier version keeps its containers and volumes with the current program. By URNs alone: what a
 * change of inputs replaces, the goldens show.
 */
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import earlier from "./golden/urns-before.json";
import { mockPulumi, settled } from "./mocks";
import { declareProgram, stackConfig } from "./program";
import { lostUrns } from "./urns";

/** Settings that declare more resources. */
const MORE: Readonly<Record<string, Record<string, string>>> = { gpu: { "cp-whisperx:tmdbApiKey": "key" } };

// golden/urns-before.json has the URNs of version 0.1.0. Nothing regenerates it.
it.each(Object.entries(earlier))("stack %s keeps every image, network, volume, container, command and provider", async (stack, places) => {
  const resources = await declareProgram(stack, { ...stackConfig(stack), ...MORE[stack] }, ["cp-whisperx:tmdbApiKey"]);
  const before = Object.entries(places).flatMap(([types, names]) => names.map((name) => `${types}::${name}`));
  expect(before.length).toBeGreaterThan(40);
  expect(lostUrns(before, resources)).toEqual([]);
});

describe("lostUrns", () => {
  class Component extends pulumi.ComponentResource {}
  class Thing extends pulumi.CustomResource {}

  it("follows parents, and the aliases of a resource and of its parents", async () => {
    const recorded = await mockPulumi("test");
    const room = new Component("t:Room", "room", {}, { aliases: [{ name: "old-room" }] });
    const shelf = new Component("t:Shelf", "shelf", {}, { parent: room, aliases: [{ parent: pulumi.rootStackResource }] });
    new Thing("t:Thing", "shelf-book", {}, { parent: shelf, aliases: [{ name: "book", parent: undefined }] });
    await settled();
    const kept = [
      "t:Room::room",
      "t:Room::old-room",
      "t:Room$t:Shelf$t:Thing::shelf-book",
      "t:Shelf$t:Thing::shelf-book",
      "t:Thing::book",
    ];
    const lost = ["t:Thing::shelf-book", "t:Room$t:Thing::shelf-book", "t:Shelf$t:Thing::book"];
    expect(lostUrns([...kept, ...lost], recorded)).toEqual(lost);
  });
});
