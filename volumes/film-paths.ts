import * as path from "node:path";

/** Folders on the engine's host. */
export interface FilmPaths {
  /** Folder with the films; containers only read it. */
  readonly in: string;
  /** Folder for jobs and results; owned by the containers' user. */
  readonly out: string;
  /** Folder with files that stages may read. */
  readonly config: string;
}

/** The configured folders as absolute paths; relative ones start at the program's folder. */
export function filmPaths(films: FilmPaths): FilmPaths {
  return { in: path.resolve(films.in), out: path.resolve(films.out), config: path.resolve(films.config) };
}
