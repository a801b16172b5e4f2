/** Reads upstream's protobuf and Go files for `generate.ts`: field numbers, pointers, and names of Go types. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A field of a protobuf message. */
export interface ProtoField {
  name: string;
  number: number;
  type: string;
}

/** The files in which upstream declares the API's structs. */
const goFiles = ['types.go', 'types_jsonschema.go', 'watch.go'];

/** The messages of all `generated.proto` files, by OpenAPI name (`k8s.io.api…` is `io.k8s.api…` there). */
export function readProtos(root: string): Map<string, ProtoField[]> {
  const found = new Map<string, ProtoField[]>();
  for (const path of listFiles(join(root, 'staging/src/k8s.io'), 'generated.proto')) {
    const text = readFileSync(path, 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/\/\/.*$/gm, '');
    const packageName = /package ([\w.-]+);/.exec(text)?.[1];
    if (packageName === undefined) throw new Error(`${path}: no package line`);
    for (const [, message, body] of text.matchAll(/message (\w+) \{([^}]*)\}/g)) {
      const fields = [...(body as string).matchAll(/(?:optional |repeated |required )?(map<[^>]+>|[\w.]+) (\w+) = (\d+)/g)];
      found.set(
        openApiName(packageName, message as string),
        fields.map(([, type, name, number]) => ({
          name: name as string,
          number: Number(number),
          type: qualify(packageName, type as string),
        })),
      );
    }
  }
  return found;
}

function openApiName(packageName: string, message: string): string {
  const name = packageName.startsWith('k8s.io.') ? `io.k8s.${packageName.slice('k8s.io.'.length)}` : packageName;
  return `${name.replaceAll('apiextensions_apiserver', 'apiextensions-apiserver').replaceAll('kube_aggregator', 'kube-aggregator')}.${message}`;
}

function qualify(packageName: string, type: string): string {
  if (type.startsWith('map<') || /^[a-z0-9]+$/.test(type)) return type;
  const cleaned = type.replace(/^\./, '');
  const dot = cleaned.lastIndexOf('.');
  return dot < 0 ? openApiName(packageName, cleaned) : openApiName(cleaned.slice(0, dot), cleaned.slice(dot + 1));
}

/** The facts of a Go struct field. */
export interface GoField {
  pointer: boolean;
  /** The type as Go prints it, without the pointer: `v1.RestartPolicy`, `[]string`. */
  type: string;
  /** Whether Go's JSON leaves the field out when it is empty. */
  omitEmpty: boolean;
}

/** The facts of those Go files about each field, by `<OpenAPI name>.<json field>`. */
export function readGoFields(root: string): Map<string, GoField> {
  const found = new Map<string, GoField>();
  for (const path of goFiles.flatMap((name) => listFiles(join(root, 'staging/src/k8s.io'), name))) {
    const folder = /staging\/src\/k8s\.io\/(.+)\/\w+\.go$/.exec(path)?.[1]?.replaceAll('/', '.');
    if (folder === undefined) continue;
    const text = readFileSync(path, 'utf8').replace(/\/\/.*$/gm, '');
    const packageName = /^package (\w+)$/m.exec(text)?.[1] ?? '';
    // Import aliases such as `metav1`: Go prints the package's own name.
    const aliases = new Map(
      [...text.matchAll(/^\s+(\w+) "[^"]*\/(\w+)"$/gm)].map(([, alias, own]) => [alias as string, own as string]),
    );
    for (const [, name, body] of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)) {
      for (const [, star, type, json, options] of (body as string).matchAll(/^\s*\w+\s+(\*?)(\S+)\s+`json:"([^",]+)([^"]*)/gm)) {
        found.set(`io.k8s.${folder}.${name}.${json}`, {
          pointer: star === '*',
          type: printedGoType(type as string, packageName, aliases),
          omitEmpty: /,omit(empty|zero)/.test(options as string),
        });
      }
    }
  }
  return found;
}

function printedGoType(type: string, packageName: string, aliases: Map<string, string>): string {
  return type
    .replace(/(\w+)\./g, (whole, alias: string) => (aliases.has(alias) ? `${aliases.get(alias)}.` : whole))
    .replace(/(^|[\]*])([A-Z]\w*)/g, `$1${packageName}.$2`);
}

function listFiles(folder: string, name: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path === name || path.endsWith(`/${name}`))
    .sort()
    .map((path) => join(folder, path));
}
