/**
 * The schema facts: what the API's types are made of, as data. They drive decoding (JSON and protobuf), strict field checks,
 * patches, server-side apply and the OpenAPI documents.
 *
 * Grammar of `factsText` (facts.generated.ts), one line each:
 *
 *     type  := name { " kind=" group "/" version "/" kind } [ " map=" mapType ] [ " unions=" JSON ] [ " open" ]
 *              [ " required=" name { "," name } ]    the order of required fields in Go, where it is not that of their names
 *              "open": fields that are not listed are kept as they are, of the type "any"
 *     field := " " name " " path " " code { " " mark }
 *     path  := number { "." number }      protobuf field numbers; more than one where Go embeds a struct that JSON flattens;
 *                                         0: protobuf does not carry the field
 *     code  := "s" string | "b" bool | "i" int32 | "l" int64 | "d" double | "y" bytes
 *            | "quantity" | "time" | "microtime" | "duration" | "intstr" | "fieldsV1" | "raw" | "json" | "any"
 *            | "[]" code | "{}" code | the name of a type
 *     mark  := "!" required | "*" a pointer in Go: zero is a value, not absence | "+" not required, yet Go writes it when empty
 *            | "list=" ("atomic" | "set" | "map") | "keys=" name { "," name } | "map=" ("atomic" | "granular")
 *            | "patch=" strategy { "," strategy } | "mergeKey=" name | "default=" JSON
 *            | "zero=" ("true" | "false") whether OpenAPI has the zero as default, where that does not follow from the type
 *            | "bare" a reference that OpenAPI does not wrap in allOf
 *            | "go=" the Go type's printed name, where the code does not already tell it (`v1.RestartPolicy`, `v1.ResourceList`)
 *
 * Types are parsed when first asked for: a process that serves three kinds pays for three.
 */
import type { JSONSchemaProps } from '../types.generated.ts';
import { factsText } from './facts.generated.ts';
import { unlistedTypes } from './unlisted-types.ts';

/**
 * A value that is not an object of fields. `raw` is any object, `json` any value, `intstr` an int32 or a string. `any` is any value, too, but
 * the fields of its objects are owned one by one in managedFields (structured-merge-diff's deduced type).
 */
export type ScalarKind =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'quantity'
  | 'time'
  | 'microtime'
  | 'duration'
  | 'intstr'
  | 'fieldsV1'
  | 'raw'
  | 'json'
  | 'any';

/** The type of a field. */
export type FieldType =
  | { kind: ScalarKind }
  | { kind: 'ref'; name: string }
  | { kind: 'list'; item: FieldType }
  | { kind: 'map'; value: FieldType };

/** The facts about one field. */
export interface FieldFacts {
  /** The field's name in JSON. */
  name: string;
  /** Protobuf field numbers from the outer message to the inner one. Empty: the field is not in protobuf. */
  protoPath: readonly number[];
  type: FieldType;
  required: boolean;
  /** Whether Go's JSON contains the field even when it is empty. True for required fields and a few others. */
  written: boolean;
  /** Whether Go has a pointer, so that a zero is a value. Otherwise a zero means absent, unless {@link written}. */
  pointer: boolean;
  listType: 'atomic' | 'set' | 'map' | undefined;
  /** The key fields of a `listType: map`. */
  keys: readonly string[];
  mapType: 'atomic' | 'granular' | undefined;
  /** Strategies of strategic merge patch: `merge`, `retainKeys`, `replace`. */
  patchStrategy: readonly string[];
  mergeKey: string | undefined;
  default: string | number | boolean | undefined;
  /**
   * The zero that OpenAPI publishes as the field's default: usually of what Go's JSON always contains. It changes no object.
   */
  zero: string | number | boolean | Readonly<Record<string, never>> | undefined;
  /** Whether OpenAPI refers to the field's type directly, not within `allOf`. */
  bare: boolean;
  /**
   * The Go type's name in decoding errors, without the pointer. Undefined when it follows from the type, see {@link goTypeName}.
   */
  goType: string | undefined;
}

/** A kind with its group and version. */
export interface KindName {
  group: string;
  version: string;
  kind: string;
}

/** The facts about one type. */
export interface TypeFacts {
  /** Name of the type, for example `core/v1.Pod`. */
  name: string;
  /** Name of the type in Go, for example `Pod`. */
  goName: string;
  /** The kinds that are served as this type. Empty for a type that is only part of an object. */
  kinds: readonly KindName[];
  mapType: 'atomic' | 'granular' | undefined;
  /** Fields that are alternatives to each other (OpenAPI's `x-kubernetes-unions`). */
  unions: readonly unknown[] | undefined;
  /** Whether fields that are not listed are kept. */
  open: boolean;
  /** The names of the required fields, in the order in which Go declares them. */
  required: readonly string[];
  fields: readonly FieldFacts[];
  byName: ReadonlyMap<string, FieldFacts>;
}

const scalarCodes: Readonly<Record<string, ScalarKind>> = {
  s: 'string',
  b: 'bool',
  i: 'int32',
  l: 'int64',
  d: 'double',
  y: 'bytes',
  quantity: 'quantity',
  time: 'time',
  microtime: 'microtime',
  duration: 'duration',
  intstr: 'intstr',
  fieldsV1: 'fieldsV1',
  raw: 'raw',
  json: 'json',
  any: 'any',
};

interface Index {
  /** The unparsed lines of each type. */
  types: Map<string, string>;
  /** The type's name by `group/version/kind`. */
  kinds: Map<string, string>;
}

let index: Index | undefined;
const parsed = new Map<string, TypeFacts>();

/** Splits the text at the type lines, which do not begin with a space. */
function indexed(): Index {
  if (index !== undefined) return index;
  index = { types: new Map(), kinds: new Map() };
  for (const block of `${factsText.trim()}\n${unlistedTypes}`.split(/\n(?=[^ \n])/)) {
    const [name, ...marks] = (block.split('\n', 1)[0] as string).split(' ') as [string, ...string[]];
    index.types.set(name, block);
    for (const mark of marks) if (mark.startsWith('kind=')) index.kinds.set(mark.slice('kind='.length), name);
  }
  return index;
}

/** The texts of types that are not built in, each with the number of times that it was added. */
const added = new Map<string, number>();
/** Facts of all fields, created on demand. */
let addedText: string | undefined = '';

const blocksOf = (text: string): string[] => text.trim().split(/\n(?=[^ \n])/);
const headOf = (block: string): string[] => (block.split('\n', 1)[0] as string).split(' ');

/**
 * Adds the types of kinds that are added at run time to this process. The same text may be added several times, and stays until
 * it was removed as often.
 * @param text in the grammar above. It includes the list of each kind (`GadgetList`). Names begin with the whole group:
 * `example.com/v1.Gadget`
 * @returns a function that removes the types
 * @throws Error when a type or kind of the text exists already with other facts
 */
export function addTypes(text: string): () => void {
  const known = indexed();
  const count = added.get(text) ?? 0;
  const blocks = blocksOf(text).map((block) => ({ block, head: headOf(block) }));
  const kindsOf = (marks: readonly string[]): string[] =>
    marks.filter((mark) => mark.startsWith('kind=')).map((mark) => mark.slice('kind='.length));
  if (count === 0) {
    for (const { head } of blocks) {
      const [name = '', ...marks] = head;
      if (known.types.has(name)) throw new Error(`schema facts: there already is a type "${name}"`);
      const taken = kindsOf(marks).find((kind) => known.kinds.has(kind));
      if (taken !== undefined) throw new Error(`schema facts: there already is a kind "${taken}"`);
    }
    for (const { block, head } of blocks) {
      const [name = '', ...marks] = head;
      known.types.set(name, block);
      for (const kind of kindsOf(marks)) known.kinds.set(kind, name);
    }
  }
  added.set(text, count + 1);
  addedText = undefined;
  let isThere = true;
  return () => {
    if (!isThere) return;
    isThere = false;
    const left = (added.get(text) ?? 1) - 1;
    if (left > 0) return void added.set(text, left);
    added.delete(text);
    addedText = undefined;
    for (const [name = '', ...marks] of blocks.map(({ head }) => head)) {
      known.types.delete(name);
      parsed.delete(name);
      for (const kind of kindsOf(marks)) known.kinds.delete(kind);
    }
  };
}

/** All texts of {@link addTypes} that are present now, joined. Another thread adds this text to know the same types. */
export function addedTypes(): string {
  return (addedText ??= [...added.keys()].join('\n'));
}

/** Additional facts of a type: parts that become types `<name>#<part>` on demand. */
export interface DetailedType {
  /** @param part '' for the type as a whole @throws Error for an unknown part */
  facts(part: string): TypeFacts;
  /** The schema that it is made from: another thread makes the same. */
  source: JSONSchemaProps;
  /** How the OpenAPI documents show it. @param texts descriptions of what every object has */
  published(isV2: boolean, texts: ObjectTexts): Record<string, unknown>;
  /** Changes whenever what is published changes, and is the same in all servers. */
  revision: string;
}

/** Descriptions of what every object has. */
export interface ObjectTexts {
  apiVersion: string;
  kind: string;
  metadata: string;
}

/** By the name of the type; the last one counts. */
const detailed = new Map<string, DetailedType[]>();

/** Says more of a type of {@link addTypes}, of which the text says only what the codec needs. @returns a function that takes it back */
export function addDetails(name: string, type: DetailedType): () => void {
  detailed.set(name, [...(detailed.get(name) ?? []), type]);
  return () => {
    const left = (detailed.get(name) ?? []).filter((one) => one !== type);
    if (left.length === 0) detailed.delete(name);
    else detailed.set(name, left);
  };
}

/** The type that says most of objects of this type: itself, or its {@link DetailedType}. */
export const detailsOf = (name: string): string => (detailed.has(name) ? `${name}#` : name);

/** The details that {@link addDetails} has added to a type, if any. */
export const detailedTypeOf = (name: string): DetailedType | undefined => detailed.get(name)?.at(-1);

/** Whether the type is known. */
export function hasType(name: string): boolean {
  return indexed().types.has(name);
}

/** The names of all types, sorted. */
export function typeNames(): string[] {
  return [...indexed().types.keys()].sort();
}

/** The facts about a type. @param name for example `core/v1.Pod` @throws Error for an unknown type: a bug in our own tables */
export function typeFacts(name: string): TypeFacts {
  let facts = parsed.get(name);
  if (facts === undefined) {
    const mark = name.indexOf('#');
    const details = mark < 0 ? undefined : detailed.get(name.slice(0, mark))?.at(-1);
    if (details !== undefined) return details.facts(name.slice(mark + 1));
    const block = indexed().types.get(name);
    if (block === undefined) throw new Error(`schema facts: unknown type "${name}"`);
    facts = parseType(block);
    parsed.set(name, facts);
  }
  return facts;
}

/** The kinds that upstream registers in every group and version. */
export const everywhere: ReadonlySet<string> = new Set(['DeleteOptions', 'WatchEvent']);

/** The type of a kind or of a list kind; undefined when it is unknown. */
export function typeForKind(apiVersion: string, kind: string): string | undefined {
  const key = apiVersion.includes('/') ? `${apiVersion}/${kind}` : `/${apiVersion}/${kind}`;
  return indexed().kinds.get(key) ?? (everywhere.has(kind) ? `meta/v1.${kind}` : undefined);
}

function parseType(block: string): TypeFacts {
  const [head, ...lines] = block.split('\n').filter((line) => line !== '') as [string, ...string[]];
  const [name, ...marks] = head.split(' ') as [string, ...string[]];
  const fields = lines.map(parseField);
  const unions = markValue(marks, 'unions');
  return {
    name,
    goName: name.slice(name.lastIndexOf('.') + 1),
    kinds: marks.filter((mark) => mark.startsWith('kind=')).map(parseKind),
    mapType: markValue(marks, 'map') as TypeFacts['mapType'],
    required:
      markValue(marks, 'required')?.split(',') ?? fields.filter(({ required }) => required).map(({ name: field }) => field),
    unions: unions === undefined ? undefined : (JSON.parse(unions) as unknown[]),
    open: marks.includes('open'),
    fields,
    byName: new Map(fields.map((field) => [field.name, field])),
  };
}

function parseKind(mark: string): KindName {
  const [group, version, kind] = mark.slice('kind='.length).split('/') as [string, string, string];
  return { group, version, kind };
}

function parseField(line: string): FieldFacts {
  const [name, path, code, ...marks] = line.slice(1).split(' ') as [string, string, string, ...string[]];
  const value = markValue(marks, 'default');
  const type = parseCode(code);
  const written = marks.includes('!') || marks.includes('+');
  const zeroMark = markValue(marks, 'zero');
  const hasZero = zeroMark === undefined ? !marks.includes('*') && (type.kind === 'ref' || written) : zeroMark === 'true';
  return {
    name,
    protoPath: path === '0' ? [] : path.split('.').map(Number),
    type,
    required: marks.includes('!'),
    written,
    pointer: marks.includes('*'),
    listType: markValue(marks, 'list') as FieldFacts['listType'],
    keys: markValue(marks, 'keys')?.split(',') ?? [],
    mapType: markValue(marks, 'map') as FieldFacts['mapType'],
    patchStrategy: markValue(marks, 'patch')?.split(',') ?? [],
    mergeKey: markValue(marks, 'mergeKey'),
    default: value === undefined ? undefined : (JSON.parse(value) as string | number | boolean),
    zero: hasZero ? zeros[type.kind] : undefined,
    bare: marks.includes('bare'),
    goType: markValue(marks, 'go'),
  };
}

/** Source: kube-openapi `pkg/generators/openapi.go`, mustEnforceDefault */
const zeros: Partial<Record<FieldType['kind'], FieldFacts['zero']>> = {
  string: '',
  bool: false,
  int32: 0,
  int64: 0,
  double: 0,
  ref: {},
};

function markValue(marks: readonly string[], name: string): string | undefined {
  return marks.find((mark) => mark.startsWith(`${name}=`))?.slice(name.length + 1);
}

function parseCode(code: string): FieldType {
  if (code.startsWith('[]')) return { kind: 'list', item: parseCode(code.slice(2)) };
  if (code.startsWith('{}')) return { kind: 'map', value: parseCode(code.slice(2)) };
  const scalar = scalarCodes[code];
  return scalar === undefined ? { kind: 'ref', name: code } : { kind: scalar };
}

const scalarGoTypes: Readonly<Record<ScalarKind, string>> = {
  string: 'string',
  bool: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  quantity: 'resource.Quantity',
  time: 'v1.Time',
  microtime: 'v1.MicroTime',
  duration: 'v1.Duration',
  intstr: 'intstr.IntOrString',
  fieldsV1: 'v1.FieldsV1',
  raw: 'runtime.RawExtension',
  json: 'v1.JSON',
  any: 'interface {}',
};

/** The Go type of a field's type when {@link FieldFacts.goType} is undefined, for example `[]v1.Container`. */
export function goTypeName(type: FieldType): string {
  if (type.kind === 'list') return `[]${goTypeName(type.item)}`;
  if (type.kind === 'map') return `map[string]${goTypeName(type.value)}`;
  return type.kind === 'ref' ? type.name.slice(type.name.indexOf('/') + 1) : scalarGoTypes[type.kind];
}
