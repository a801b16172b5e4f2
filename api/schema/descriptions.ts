/**
 * The texts that `kubectl explain` prints about types and fields. They are read from the doc comments of
 * `@kubernetes/client-node`, which contain upstream's descriptions, so the project needs no copy of them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { typeNames } from './facts.ts';

/** The text of a type by `core/v1.Pod`, and of a field by `core/v1.Pod.spec`. */
export type Descriptions = Readonly<Record<string, string>>;

/** Classes whose name is not the version followed by the type's name, with their prefix. */
const groupPrefixes: Record<string, string> = {
  admissionregistration: 'Admissionregistration',
  apiextensions: 'Apiextensions',
  apiregistration: 'Apiregistration',
  authentication: 'Authentication',
  authorization: 'Authorization',
  core: 'Core',
  discovery: 'Discovery',
  events: 'Events',
  flowcontrol: 'Flowcontrol',
  rbac: 'Rbac',
  resource: 'Resource',
  storage: 'Storage',
};

/** Reads the descriptions of all types. @param folder `node_modules/@kubernetes/client-node/dist/gen/models` */
export function readDescriptions(folder: string): Descriptions {
  const files = new Set(readdirSync(folder));
  const found: Record<string, string> = {};
  for (const name of typeNames()) {
    const [, group, version, type] = /^([^/]+)\/(v\d\w*)\.(\w+)$/.exec(name) ?? [];
    if (group === undefined || version === undefined) continue;
    const plain = `V${version.slice(1)}${type}.d.ts`;
    const file = [`${groupPrefixes[group] ?? ''}${plain}`, plain].find((candidate) => files.has(candidate));
    if (file !== undefined) readClass(readFileSync(join(folder, file), 'utf8'), name, found);
  }
  return found;
}

/**
 * Reads one class. A comment right before `export declare class` describes the type, one right before a quoted property describes
 * the field.
 */
function readClass(text: string, name: string, found: Record<string, string>): void {
  for (const [, comment, field] of text.matchAll(
    /\/\*\*\s*\n((?:\s*\*[^\n]*\n)+?)\s*\*\/\s*\n\s*(?:export declare class|'([^']+)'\??:)/g,
  )) {
    const lines = (comment as string).split('\n').map((line) => line.replace(/^\s*\*\s?/, ''));
    const body = lines
      .join('\n')
      .trim()
      .replace(/\\(['"])/g, '$1');
    found[field === undefined ? name : `${name}.${field.replace(/^_/, '')}`] = body;
  }
}
