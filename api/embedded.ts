/**
 * The files that a bundled program embeds, by their path in the repository. When the program runs from source this table is
 * empty, and files are read from disk. The bundler replaces this module by one with the files (lab/program.ts).
 */
export const embeddedFiles: Readonly<Record<string, string>> = {};
