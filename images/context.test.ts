import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hashContext, readContext, removeOldContexts, stageContext, withoutComments } from "./context";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "context-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const write = (name: string, content: string): void => {
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  writeFileSync(path.join(folder, name), content);
};
const hash = (): string => hashContext(readContext(folder));

describe("withoutComments", () => {
  it("drops comments, also between the lines of one instruction, and nothing else", () => {
    const dockerfile = ["FROM scratch", "# why", 'RUN echo "# no comment" \\', "  # inside", "  && true # kept", ""].join("\n");
    expect(withoutComments(dockerfile)).toBe(
      ["FROM scratch", 'RUN echo "# no comment" \\', "  && true # kept", ""].join("\n"),
    );
  });

  it("keeps parser directives and what a here-document says", () => {
    const dockerfile = "# check=error=true\nFROM scratch\nRUN <<EOF\n# shell comment\n\ntrue\nEOF\n";
    expect(withoutComments(dockerfile)).toBe(dockerfile);
  });

  it("drops the empty lines around comments, so that a comment at the end leaves nothing", () => {
    const dockerfile = "FROM scratch\nUSER 1000\n";
    expect(withoutComments(`\n${dockerfile}\n# edited\n`)).toBe(dockerfile);
    expect(withoutComments("FROM scratch\n\n# edited\n\nUSER 1000")).toBe(dockerfile);
  });
});

describe("hashContext", () => {
  beforeEach(() => {
    write(".dockerignore", "*\n!program.py\n");
    write("Dockerfile", "FROM scratch\nCOPY program.py /\n");
    write("program.py", "print(1)\n");
  });

  it("does not see comments in the Dockerfile, ignored files, times or the umask", () => {
    const before = hash();
    write("Dockerfile", "# new\nFROM scratch\n# other\nCOPY program.py /\n");
    write("notes.txt", "ignored");
    write(".dockerignore", "# allow-list\n*\n!program.py\n");
    chmodSync(path.join(folder, "program.py"), 0o600);
    utimesSync(path.join(folder, "program.py"), 1, 1);
    expect(hash()).toBe(before);
    expect(before).toMatch(/^[0-9a-f]{12}$/);
  });

  it.each([
    ["an instruction", () => { write("Dockerfile", "FROM scratch\nCOPY program.py /app/\n"); }],
    ["a program", () => { write("program.py", "print(2)\n"); }],
    ["an executable bit", () => { chmodSync(path.join(folder, "program.py"), 0o755); }],
    ["what is ignored", () => { write(".dockerignore", "*\n"); }],
  ])("sees a change of %s", (_, change) => {
    const before = hash();
    change();
    expect(hash()).not.toBe(before);
  });

  it("differs for any two sets of files", () => {
    const files = fc.uniqueArray(fc.record({ path: fc.string(), content: fc.string(), executable: fc.boolean() }), {
      selector: (file) => file.path,
    });
    const asContext = (list: { path: string; content: string; executable: boolean }[]) =>
      list.map((file) => ({ ...file, content: Buffer.from(file.content) }));
    fc.assert(
      fc.property(files, files, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        expect(hashContext(asContext(one)) === hashContext(asContext(other))).toBe(same);
      }),
    );
  });

  it("rejects symbolic links, which resolve differently on another machine", () => {
    symlinkSync("/etc/hostname", path.join(folder, "link"));
    expect(() => readContext(folder)).toThrow("a build context must not contain symbolic links");
  });
});

describe("stageContext", () => {
  const filesIn = (staged: string): string[] =>
    readdirSync(staged, { recursive: true, encoding: "utf8" }).filter((name) => statSync(path.join(staged, name)).isFile()).sort();
  let staging: string;
  beforeEach(() => {
    staging = path.join(folder, "..", `${path.basename(folder)}-staged`);
    write("Dockerfile", "FROM scratch\n");
    write("package/module.py", "x = 1\n");
    write("run.sh", "true\n");
    chmodSync(path.join(folder, "run.sh"), 0o700);
  });
  afterEach(() => { rmSync(staging, { recursive: true, force: true }); });
  const stage = (): string => stageContext(readContext(folder), staging, "asr");

  it("writes exactly the files, with plain modes, and touches nothing the second time", () => {
    const staged = stage();
    expect(path.basename(staged)).toBe(`asr-${hash()}`);
    expect(filesIn(staged)).toEqual(["Dockerfile", "package/module.py", "run.sh"]);
    expect(statSync(path.join(staged, "run.sh")).mode & 0o777).toBe(0o755);
    expect(hashContext(readContext(staged))).toBe(hash());
    const before = statSync(path.join(staged, "Dockerfile")).ctimeMs;
    expect(stage()).toBe(staged);
    expect(statSync(path.join(staged, "Dockerfile")).ctimeMs).toBe(before);
    expect(readdirSync(staging)).toEqual([path.basename(staged)]);
  });

  it("writes folders and files with plain modes under any umask", () => {
    const umask = process.umask(0o077);
    try {
      const staged = stage();
      const modes = ["", "package", "package/module.py", "run.sh"].map((name) => statSync(path.join(staged, name)).mode & 0o777);
      expect(modes).toEqual([0o755, 0o755, 0o644, 0o755]);
    } finally {
      process.umask(umask);
    }
  });

  it("does not change the context of a running build when sources are edited", () => {
    const running = stage();
    write("package/module.py", "x = 2\n");
    expect(stage()).not.toBe(running);
    expect(readFileSync(path.join(running, "package", "module.py"), "utf8")).toBe("x = 1\n");
  });

  it("restores a staged folder that somebody has changed", () => {
    const staged = stage();
    writeFileSync(path.join(staged, "left-over.py"), "");
    stage();
    expect(filesIn(staged)).toEqual(["Dockerfile", "package/module.py", "run.sh"]);
  });

  it("removes what was not staged for a month", () => {
    const old = stage();
    write("run.sh", "false\n");
    const current = stage();
    utimesSync(old, new Date(), new Date(Date.now() - 31 * 24 * 3600 * 1000));
    removeOldContexts(staging);
    expect(readdirSync(staging)).toEqual([path.basename(current)]);
  });
});
