import * as path from "node:path";

/** The folders on the engine's host, as absolute paths. */
export interface FilmPaths {
  /** Folder with the films; containers only read it. */
  readonly in: string;
  /** Folder for jobs and results; owned by the containers' user. */
  readonly out: string;
  /** Folder with files that stages may read. */
  readonly config: string;
}

/** The folders that the settings name; relative ones start at the program. */
export function filmPaths(films: FilmPaths): FilmPaths {
  return { in: path.resolve(films.in), out: path.resolve(films.out), config: path.resolve(films.config) };
}
