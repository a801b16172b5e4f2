/**
 * YAML bodies. They are first converted to JSON, as sigs.k8s.io/yaml does, and then decoded like any JSON.
 *
 * Source: sigs.k8s.io/yaml `yaml.go`.
 */
import { parseExact } from '../int64.ts';
import type { JsonValue } from '../json.ts';
import { type Decoded, DecodeError, decodeJson, type FieldValidation, parseJsonStrict } from './json.ts';
import { firstDocumentAsJson } from './yaml-document.ts';

const textOf = (input: string | Uint8Array): string =>
  typeof input === 'string' ? input : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('utf8');

/** The result of {@link yamlToJson}. */
export interface ConvertedYaml {
  json: string;
  duplicates: string;
}

/** Decodes an object of a known type from converted YAML. @throws DecodeError */
export function decodeYaml({ json, duplicates }: ConvertedYaml, typeName: string, validation: FieldValidation): Decoded {
  const { object, problems } = decodeJson(json, typeName, validation);
  return { object, problems: validation === 'Ignore' || duplicates === '' ? problems : [duplicates, ...problems] };
}

/** Parses YAML of any shape (an apply patch). `problems` has the duplicate keys. @throws DecodeError with `yaml: line …` */
export function parseYaml(input: string | Uint8Array): { value: JsonValue; problems: string[] } {
  const { json, duplicates } = yamlToJson(input);
  return { value: parseExact(json) as JsonValue, problems: duplicates === '' ? [] : [duplicates] };
}

/**
 * Converts the first document to JSON text, with keys sorted as Go's encoder does. `duplicates` is upstream's strict error for
 * keys that a map has twice, or empty. The last of two equal keys counts.
 *
 * @throws DecodeError
 */
export function yamlToJson(input: string | Uint8Array): ConvertedYaml {
  const text = textOf(input);
  if (/^\s*\{/.test(text)) {
    // kubectl sends JSON with the content type YAML. The YAML parser is needed only for text that is no JSON, or that has
    // duplicate keys to report with their lines.
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
