/**
 * Files that a bundled program carries inside itself, by their path in the repository. Running from source there are none, and
 * each is read from its place; the bundler replaces this module by one that holds them (lab/program.ts).
 */
export const embeddedFiles: Readonly<Record<string, string>> = {};
