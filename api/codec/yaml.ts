/**
 * YAML bodies: turned into JSON first, as sigs.k8s.io/yaml does, then decoded like any JSON.
 *
 * Source: sigs.k8s.io/yaml `yaml.go`.
 */
import { parseExact } from '../int64.ts';
import type { JsonValue } from '../json.ts';
import { type Decoded, DecodeError, decodeJson, type FieldValidation, parseJsonStrict } from './json.ts';
import { firstDocumentAsJson } from './yaml-document.ts';

const textOf = (input: string | Uint8Array): string =>
  typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('utf8');

/** What {@link yamlToJson} makes of a text. */
export interface ConvertedYaml {
  json: string;
  duplicates: string;
}

/** Decodes an object of a known type from YAML (or JSON, which is YAML). @throws DecodeError */
export function decodeYaml({ json, duplicates }: ConvertedYaml, typeName: string, validation: FieldValidation): Decoded {
  const { object, problems } = decodeJson(json, typeName, validation);
  return { object, problems: validation === 'Ignore' || duplicates === '' ? problems : [duplicates, ...problems] };
}

/** Parses YAML of any shape (an apply patch). `problems` tells of duplicate keys. @throws DecodeError with `yaml: line …` */
export function parseYaml(input: string | Uint8Array): { value: JsonValue; problems: string[] } {
  const { json, duplicates } = yamlToJson(input);
  return { value: parseExact(json) as JsonValue, problems: duplicates === '' ? [] : [duplicates] };
}

/**
 * The first document as JSON text, keys sorted as Go's encoder sorts them. `duplicates` is upstream's strict error for keys
 * that a map has twice, or empty; the last one counts.
 *
 * @throws DecodeError
 */
export function yamlToJson(input: string | Uint8Array): ConvertedYaml {
  const text = textOf(input);
  if (/^\s*\{/.test(text)) {
    // kubectl sends JSON as YAML; only what is not JSON, or has duplicates to tell of by line, needs the YAML parser.
    const json = plainJson(text);
    if (json !== undefined) return { json, duplicates: '' };
  }
  const { json, duplicates } = firstDocumentAsJson(text);
  return {
    json,
    duplicates: duplicates.length === 0 ? '' : `yaml: unmarshal errors:${duplicates.map((line) => `\n  ${line}`).join('')}`,
  };
}

function plainJson(text: string): string | undefined {
  try {
    return parseJsonStrict(text).problems.length === 0 ? text : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
