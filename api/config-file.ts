/** Configuration files with a kind and a version, as components take them. Source: apimachinery `pkg/runtime` (strict decoding). */
import { DecodeError } from './codec/json.ts';
import { parseYaml } from './codec/yaml.ts';
import { type Shape, shapeProblems } from './config-shape.ts';
import type { FieldError } from './field-error.ts';
import type { JsonObject } from './json.ts';

/** The kinds that a file may contain. */
export interface ConfigFileKind {
  kind: string;
  /** Those in which it is known. */
  apiVersions: readonly string[];
  shape: Shape;
  /** Upstream's texts of errors about the whole file. */
  problem: new (
    message: string,
  ) => Error;
}

/**
 * Reads YAML or JSON.
 * @param furtherProblems of an object that has the shape: what else strict decoding finds
 * @throws the kind's `problem` when it is another kind or version, or has unknown or repeated fields
 */
export function readConfigFile(
  text: string,
  { kind, apiVersions, shape, problem: Problem }: ConfigFileKind,
  furtherProblems: (written: JsonObject) => string[] = () => [],
): JsonObject {
  const { value, problems: duplicates } = parsed(text, Problem);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Problem('the configuration is no object');
  const { kind: writtenKind, apiVersion } = value;
  if (writtenKind === undefined) throw new Problem("Object 'Kind' is missing");
  if (apiVersion === undefined) throw new Problem("Object 'apiVersion' is missing");
  if (writtenKind !== kind || typeof apiVersion !== 'string' || !apiVersions.includes(apiVersion))
    throw new Problem(`no kind "${String(writtenKind)}" is registered for version "${String(apiVersion)}"`);
  const strict = [...duplicates, ...shapeProblems(value, shape)];
  if (strict.length === 0) strict.push(...furtherProblems(value));
  if (strict.length > 0) throw new Problem(`strict decoding error: ${strict.join(', ')}`);
  return value;
}

function parsed(text: string, Problem: ConfigFileKind['problem']): ReturnType<typeof parseYaml> {
  try {
    return parseYaml(text);
  } catch (error) {
    if (error instanceof DecodeError) throw new Problem(error.message);
    throw error;
  }
}

/** Several errors as one, in the words of upstream's `ToAggregate`. */
export function aggregate(errors: readonly FieldError[]): string {
  const texts = errors.map(({ field, message }) => `${field}: ${message}`);
  return texts.length === 1 ? texts.join() : `[${texts.join(', ')}]`;
}
