import fc from "fast-check";
import { expect, it } from "vitest";
import { fileChanges, packageChanges, sourceDetails } from "./sources";

const file = (path: string, content: string, executable = false) => ({ path, content: Buffer.from(content), executable });

it("names changed, added and removed files", () => {
  const before = [file("asr.py", "1"), file("old.py", ""), file("run", "1"), file("same.py", "1")];
  const after = [file("asr.py", "2"), file("new.py", ""), file("run", "1", true), file("same.py", "1")];
  expect(fileChanges(before, after)).toEqual(["asr.py changed", "new.py added", "old.py removed", "run changed"]);
});

it("names the packages of a lock file, or the file if no package changed", () => {
  const lock = (version: string, hash: string): string => `numpy==${version} \\\n    --hash=sha256:${hash}\nonnx[extra]==1.0 ; python_version > "3"\n`;
  const changes = (content: string): string[] => fileChanges([file("a.lock", lock("1.26.4", "aa"))], [file("a.lock", content)]);
  expect(changes(`${lock("2.0.0", "bb").replace(/onnx.*\n/, "")}tqdm==4.0\n`)).toEqual([
    "a.lock: numpy 1.26.4 -> 2.0.0", "a.lock: onnx 1.0 removed", "a.lock: tqdm 4.0 added",
  ]);
  expect(changes(lock("1.26.4", "bb"))).toEqual(["a.lock changed"]);
});

it("names every changed package once, and no other", () => {
  const packages = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.stringMatching(/^\d\.\d$/));
  const text = (pins: Record<string, string>): string => Object.entries(pins).map(([name, version]) => `${name}==${version}\n`).join("");
  fc.assert(
    fc.property(packages, packages, (before, after) => {
      const names = new Set([...Object.keys(before), ...Object.keys(after)]);
      const changed = [...names].filter((name) => before[name] !== after[name]).sort();
      expect(packageChanges(text(before), text(after)).map((line) => line.split(" ")[0])).toEqual(changed);
    }),
  );
});

it("reports old sources that are not on this machine", () => {
  expect(sourceDetails("build/contexts/asr-gone", "build/contexts/asr-new")[0]).toContain("not on this machine");
});
