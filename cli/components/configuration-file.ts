/**
 * Configuration files of kubelet and kube-proxy: read as upstream reads them, drop-in files and flags over them, and what of them nothing
 * here heeds is told.
 *
 * Source: kubernetes `pkg/kubelet/kubeletconfig/configfiles`, `cmd/kube-proxy/app/options.go` (v1beta1 and v1alpha1 are read leniently).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseYaml } from '#api/codec/yaml.ts';
import { parseDuration } from '#api/duration.ts';
import { errorText } from '#api/error-text.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '#api/json.ts';
import { toNumber } from '#api/quantity.ts';
import { checkFile } from '../checks.ts';

/** Of which kind a file must be. */
export interface ConfigurationKind {
  kind: string;
  apiVersion: string;
}

/** @param flag that names the file @throws Error that names flag and file */
export function readConfigurationFile(flag: string, path: string, { kind, apiVersion }: ConfigurationKind): JsonObject {
  checkFile(flag, path);
  try {
    const { value } = parseYaml(readFileSync(path, 'utf8'));
    if (!isJsonObject(value)) throw new Error('the configuration is no object');
    if (value['kind'] !== kind || value['apiVersion'] !== apiVersion)
      throw new Error(
        `no kind ${JSON.stringify(value['kind'] ?? '')} is registered for version ${JSON.stringify(value['apiVersion'] ?? '')}: give ${kind} of ${apiVersion}`,
      );
    return value;
  } catch (error) {
    throw new Error(`${flag} ${path}: ${errorText(error)}`, { cause: error });
  }
}

/** `--config-dir`: its files `*.conf` in the order of their names, each over those before. @throws Error that names flag and file */
export function readDropIns(flag: string, folder: string, kind: ConfigurationKind): JsonObject[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.conf'));
  } catch (error) {
    throw new Error(`${flag} ${folder}: ${errorText(error)}`, { cause: error });
  }
  return names.sort().map((name) => readConfigurationFile(flag, join(folder, name), kind));
}

/** Fields of `over` take the place of those of `base`; objects are merged, lists replaced. Pure. */
export function merged(base: JsonObject, over: JsonObject): JsonObject {
  const result: JsonObject = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isJsonObject(value) && isJsonObject(below) ? merged(below, value) : value;
  }
  return result;
}

/** Sets a field by its path: `authentication.anonymous.enabled`. Pure. */
export function withField(base: JsonObject, path: string, value: JsonValue): JsonObject {
  const [first = '', ...rest] = path.split('.');
  return merged(base, { [first]: rest.length === 0 ? value : withField({}, rest.join('.'), value) });
}

/** A configuration whose fields are read by their paths, each as what it must be. @throws (its methods) Error that names the field */
export class Configuration {
  readonly #value: JsonObject;
  readonly #read = new Set<string>();

  constructor(value: JsonObject) {
    this.#value = value;
  }

  #at(path: string): JsonValue | undefined {
    this.#read.add(path);
    let value: JsonValue | undefined = this.#value;
    for (const name of path.split('.')) value = isJsonObject(value) ? value[name] : undefined;
    return value === null ? undefined : value;
  }

  text(path: string): string | undefined {
    const value = this.#at(path);
    if (value !== undefined && typeof value !== 'string') throw wrong(path, value, 'a text');
    return value === '' ? undefined : value;
  }

  flag(path: string): boolean | undefined {
    const value = this.#at(path);
    if (value !== undefined && typeof value !== 'boolean') throw wrong(path, value, 'true or false');
    return value;
  }

  number(path: string): number | undefined {
    const value = this.#at(path);
    if (value !== undefined && typeof value !== 'number') throw wrong(path, value, 'a number');
    return value;
  }

  /** In milliseconds. 0 stands for the default, as upstream's defaulting has it. */
  duration(path: string): number | undefined {
    const value = this.#at(path);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw wrong(path, value, 'a duration such as 10s');
    try {
      return parseDuration(value) || undefined;
    } catch (error) {
      throw new Error(`${path}: ${errorText(error)}`, { cause: error });
    }
  }

  texts(path: string): string[] | undefined {
    const value = this.#at(path);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) throw wrong(path, value, 'a list of texts');
    return value;
  }

  list(path: string): JsonValue[] | undefined {
    const value = this.#at(path);
    if (value !== undefined && !Array.isArray(value)) throw wrong(path, value, 'a list');
    return value;
  }

  /** Texts by name. */
  map(path: string): Record<string, string> | undefined {
    const value = this.#at(path);
    if (value === undefined) return undefined;
    if (!isJsonObject(value)) throw wrong(path, value, 'a map of texts');
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, String(one)]));
  }

  /** A quantity such as `10Mi`, in bytes. */
  bytes(path: string): number | undefined {
    const value = this.#at(path);
    if (value === undefined) return undefined;
    return quantity(path, value);
  }

  /** Fields that are set and that nobody has read, by their paths; those of `kind` and `apiVersion` are no fields. */
  unread(): string[] {
    const paths: string[] = [];
    const visit = (value: JsonObject, prefix: string): void => {
      for (const [name, inner] of Object.entries(value)) {
        const path = prefix === '' ? name : `${prefix}.${name}`;
        if (['kind', 'apiVersion', 'metadata'].includes(path) || this.#read.has(path) || isEmpty(inner)) continue;
        const hasRead = [...this.#read].some((one) => one.startsWith(`${path}.`));
        if (hasRead && isJsonObject(inner)) visit(inner, path);
        else paths.push(path);
      }
    };
    visit(this.#value, '');
    return paths;
  }
}

/** What upstream writes for "not set": kubeadm's files are full of it. */
const isEmpty = (value: JsonValue | undefined): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  value === 0 ||
  value === false ||
  value === '0s' ||
  (typeof value === 'object' && Object.values(value).every((one) => isEmpty(one as JsonValue)));

const wrong = (path: string, value: JsonValue, what: string): Error =>
  new Error(`${path}: ${JSON.stringify(value)} is not ${what}`);

function quantity(path: string, value: JsonValue): number {
  try {
    return toNumber(String(value));
  } catch (error) {
    throw new Error(`${path}: ${errorText(error)}`, { cause: error });
  }
}
