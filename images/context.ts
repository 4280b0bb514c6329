/**
 * The build context of an image as a value: the files that its .dockerignore lets in, in a form that two checkouts
 * of the same sources share to the byte.
 *
 * The provider hashes what lies on disk, comments and file modes included, so a comment in a Dockerfile or another
 * umask would show as a changed image. Builds therefore read a staged copy, which has neither.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
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
 * The Dockerfile without comments and without empty lines between instructions. Parser directives (`# syntax=`,
 * `# escape=`, `# check=`) are instructions to the builder and stay; so does everything inside a here-document.
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
      if (entry.isSymbolicLink()) throw new Error(`${path.join(folder, name)}: links have no place in a build context`);
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

/** The files of `folder` that its .dockerignore lets in, and always the Dockerfile, sorted by path. */
export function readContext(folder: string): ContextFile[] {
  const ignored = dockerignore().add(readIfPresent(path.join(folder, ".dockerignore")));
  return listFiles(folder)
    .filter((name) => name === "Dockerfile" || (name !== ".dockerignore" && !ignored.ignores(name)))
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

/** SHA-256 over paths, kinds and contents, in hexadecimal. */
export function hashContext(files: readonly ContextFile[]): string {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file.path}\0${file.executable ? "x" : "-"}\0${file.content.length}\0`);
    hash.update(file.content);
  }
  return hash.digest("hex");
}

function isSame(target: string, file: ContextFile, mode: number): boolean {
  try {
    return (statSync(target).mode & 0o777) === mode && readFileSync(target).equals(file.content);
  } catch {
    return false;
  }
}

/**
 * Makes `folder` hold exactly `files`, with modes 0644 and 0755. Files that are right already are not touched, and
 * each other one appears whole, so a preview beside a running build disturbs nothing.
 */
export function stageContext(files: readonly ContextFile[], folder: string): void {
  mkdirSync(folder, { recursive: true });
  const wanted = new Set(files.map((file) => file.path));
  for (const stale of listFiles(folder)) {
    if (!wanted.has(stale)) rmSync(path.join(folder, stale), { force: true });
  }
  for (const file of files) {
    const target = path.join(folder, file.path);
    const mode = file.executable ? 0o755 : 0o644;
    if (isSame(target, file, mode)) continue;
    mkdirSync(path.dirname(target), { recursive: true });
    const partial = path.join(folder, `.${path.basename(target)}.${process.pid}.partial`);
    writeFileSync(partial, file.content);
    chmodSync(partial, mode);
    renameSync(partial, target);
  }
}
