/**
 * Every export of a seam says in a docstring what it guarantees (`tinkernetes/docstrings`). The header of a file tells what the file is about;
 * an editor shows the docstring where the export is used, and only that.
 */

/** The folders whose exports others build on: the program itself. The lab, the simulation and the measurements have no users but themselves. */
export const seams: readonly string[] = ['api', 'client', 'control', 'agent', 'cli'];

const testFile = /\.(test|suite|contract|testing)\.ts$|(^|\/)netns\//;

/** Whether the rule looks at this file. @param file path in the repository */
export function isSeam(file: string): boolean {
  return !testFile.test(file) && seams.some((folder) => file.startsWith(`${folder}/`));
}

/** The finding for an export; undefined when it has a docstring. @param before the text of the file in front of the export */
export function judgeExport(file: string, before: string): string | undefined {
  if (!isSeam(file) || /\*\/\s*$/.test(before)) return undefined;
  return 'An export of a seam has a docstring: what it guarantees, units, @throws, source.';
}
