/**
 * The build context of an image: the files that its .dockerignore does not exclude, identical in all checkouts of the same
 * sources.
 *
 * The provider hashes files on disk, with comments and file modes, so a comment in a Dockerfile or another umask would show as
 * a changed image. Builds therefore use a staged copy without comments and with fixed modes.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import * as path from "node:path";
import dockerignore from "@balena/dockerignore";
import { DockerfileParser } from "dockerfile-ast";

/** One file of a context; `path` is relative with forward slashes. */
export interface ContextFile {
  readonly path: string;
  readonly content: Buffer;
  readonly executable: boolean;
}

interface Located {
  getRange: () => { start: { line: number }; end: { line: number } };
}

/**
 * The Dockerfile without comments and without empty lines between instructions. Parser directives (`# syntax=`, `# escape=`,
 * `# check=`) and here-documents stay as they are.
 */
export function withoutComments(dockerfile: string): string {
  const parsed = DockerfileParser.parse(dockerfile);
  const linesOf = (part: Located): number[] => {
    const { start, end } = part.getRange();
    return Array.from({ length: end.line - start.line + 1 }, (_, index) => start.line + index);
  };
  const kept = new Set([...parsed.getDirectives(), ...parsed.getInstructions()].flatMap(linesOf));
  for (const line of parsed.getComments().flatMap(linesOf)) kept.delete(line);
  const lines = dockerfile.split("\n").filter((_, index) => kept.has(index));
  return `${lines.join("\n")}\n`;
}

function listFiles(folder: string, relative = ""): string[] {
  return readdirSync(path.join(folder, relative), { withFileTypes: true })
    .flatMap((entry) => {
      const name = path.posix.join(relative, entry.name);
      if (entry.isSymbolicLink()) throw new Error(`${path.join(folder, name)}: a build context must not contain symbolic links`);
      return entry.isDirectory() ? listFiles(folder, name) : [name];
    })
    .sort();
}

function readIfPresent(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/**
 * The Dockerfile of `folder` and the files that its .dockerignore does not exclude, sorted by path.
 * @throws Error if one of them cannot be read; the provider would assume that such a Dockerfile is unchanged.
 */
export function readContext(folder: string): ContextFile[] {
  const ignored = dockerignore().add(readIfPresent(path.join(folder, ".dockerignore"))).add(["Dockerfile", ".dockerignore"]);
  return ["Dockerfile", ...ignored.filter(listFiles(folder))]
    .sort()
    .map((name) => {
      const file = path.join(folder, name);
      const content = readFileSync(file);
      return {
        path: name,
        content: name === "Dockerfile" ? Buffer.from(withoutComments(content.toString("utf8"))) : content,
        executable: (statSync(file).mode & 0o100) !== 0,
      };
    });
}

/** The first 12 hexadecimal digits of a SHA-256 over paths, executable bits and contents. */
export function hashContext(files: readonly ContextFile[]): string {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file.path}\0${file.executable ? "x" : "-"}\0${file.content.length}\0`);
    hash.update(file.content);
  }
  return hash.digest("hex").slice(0, 12);
}

function writeContext(files: readonly ContextFile[], folder: string): void {
  // Modes, also those of folders, are part of BuildKit's cache key.
  const umask = process.umask(0o022);
  try {
    chmodSync(folder, 0o755);
    for (const file of files) {
      const target = path.join(folder, file.path);
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, file.content, { mode: file.executable ? 0o755 : 0o644 });
    }
  } finally {
    process.umask(umask);
  }
}

/** Renames a complete folder to its final name, unless another process has staged the same files first. */
function publish(partial: string, folder: string): void {
  try {
    renameSync(partial, folder);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    rmSync(partial, { recursive: true });
  }
}

/**
 * Writes the files to `<staging>/<name>-<hash>`, with modes 0644 and 0755, and returns that folder. It is created atomically and
 * never changes, so a preview of edited sources does not disturb a running build.
 */
export function stageContext(files: readonly ContextFile[], staging: string, name: string): string {
  const hash = hashContext(files);
  const folder = path.join(staging, `${name}-${hash}`);
  const staged = existsSync(folder);
  if (!staged || hashContext(readContext(folder)) !== hash) {
    mkdirSync(staging, { recursive: true });
    const partial = mkdtempSync(path.join(staging, `.${name}-`));
    writeContext(files, partial);
    if (staged) rmSync(folder, { recursive: true });
    publish(partial, folder);
  }
  const now = new Date();
  utimesSync(folder, now, now);
  return folder;
}

const MONTH = 30 * 24 * 3600 * 1000;

/** Removes contexts that were not staged for a month. Younger ones may be in use by a build, or explain a change in a preview. */
export function removeOldContexts(staging: string): void {
  for (const entry of readdirSync(staging)) {
    const folder = path.join(staging, entry);
    const stat = statSync(folder, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.mtimeMs > MONTH) rmSync(folder, { recursive: true, force: true });
  }
}
