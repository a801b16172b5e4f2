/**
 * The options that requests have in their query, one type per kind of options. They are parsed as upstream's generated
 * conversions do.
 *
 * Source: the published parameters (`api/openapi-spec`); apimachinery `pkg/runtime/conversion.go`,
 * `pkg/apis/meta/v1/conversion.go`; kubernetes `pkg/apis/core/v1/zz_generated.conversion.go`.
 */
import { parseInt64 } from './int64.ts';
import { badRequest } from './status.ts';
import { canonicalTime, TimeError } from './time.ts';

/** The Go types of parameters. `?` is a pointer, for which an absent value differs from an empty one. */
type QueryType = 'string' | 'string?' | '[]string' | 'bool' | 'bool?' | 'int64' | 'int64?' | '[]port' | 'time?';

interface Values {
  string: string;
  'string?': string | undefined;
  '[]string': string[];
  bool: boolean;
  'bool?': boolean | undefined;
  int64: bigint;
  'int64?': bigint | undefined;
  '[]port': number[];
  /** RFC 3339, in UTC. */
  'time?': string | undefined;
}

type OptionsType = Readonly<Record<string, QueryType>>;
type OptionsOf<Type extends OptionsType> = { [Name in keyof Type]: Values[Type[Name]] };

const streams = { stdin: 'bool', stdout: 'bool', stderr: 'bool', tty: 'bool', container: 'string' } as const;
const writes = { dryRun: '[]string', fieldManager: 'string', fieldValidation: 'string' } as const;

/** The parameters of each kind of options. */
const optionTypes = {
  GetOptions: { resourceVersion: 'string' },
  ListOptions: {
    labelSelector: 'string',
    fieldSelector: 'string',
    watch: 'bool',
    allowWatchBookmarks: 'bool',
    resourceVersion: 'string',
    resourceVersionMatch: 'string',
    timeoutSeconds: 'int64?',
    limit: 'int64',
    continue: 'string',
    sendInitialEvents: 'bool?',
  },
  CreateOptions: writes,
  UpdateOptions: writes,
  PatchOptions: { ...writes, force: 'bool?' },
  DeleteOptions: {
    gracePeriodSeconds: 'int64?',
    orphanDependents: 'bool?',
    propagationPolicy: 'string?',
    dryRun: '[]string',
  },
  TableOptions: { includeObject: 'string' },
  PodLogOptions: {
    container: 'string',
    follow: 'bool',
    previous: 'bool',
    sinceSeconds: 'int64?',
    sinceTime: 'time?',
    timestamps: 'bool',
    tailLines: 'int64?',
    limitBytes: 'int64?',
    insecureSkipTLSVerifyBackend: 'bool',
    stream: 'string?',
  },
  PodExecOptions: { ...streams, command: '[]string' },
  PodAttachOptions: streams,
  PodPortForwardOptions: { ports: '[]port' },
} as const satisfies Record<string, OptionsType>;

type OptionsKind = keyof typeof optionTypes;
/** The parsed options of one kind. */
export type QueryOptions<Kind extends OptionsKind> = OptionsOf<(typeof optionTypes)[Kind]>;

/**
 * Parses all options of one kind. An absent one gets Go's zero value. Other parameters are ignored. @throws ApiError 400 for a
 * value that does not parse
 */
export function readQueryOptions<Kind extends OptionsKind>(kind: Kind, query: URLSearchParams): QueryOptions<Kind> {
  if (query.size === 0) {
    const known = absent.get(kind) ?? parsed(kind, query);
    absent.set(kind, known);
    return { ...known } as QueryOptions<Kind>;
  }
  return parsed(kind, query);
}

/** The options of a query without parameters, which most requests have: a write asks for its options some three times. */
const absent = new Map<OptionsKind, object>();

function parsed<Kind extends OptionsKind>(kind: Kind, query: URLSearchParams): QueryOptions<Kind> {
  const fields = Object.entries<QueryType>(optionTypes[kind]);
  return Object.fromEntries(fields.map(([name, type]) => [name, readers[type](query.getAll(name))])) as QueryOptions<Kind>;
}

/** Parses one boolean. An absent one, `0` and `false` in any case are false. Everything else is true, also the empty string. */
export const queryBool = (query: URLSearchParams, name: string): boolean => boolOf(query.getAll(name));

function boolOf([value]: readonly string[]): boolean {
  return value !== undefined && value !== '0' && value.toLowerCase() !== 'false';
}

const readers: { [Type in QueryType]: (values: readonly string[]) => Values[Type] } = {
  string: ([value = '']) => value,
  'string?': ([value]) => value,
  '[]string': (values) => [...values],
  bool: boolOf,
  'bool?': (values) => (values.length === 0 ? undefined : boolOf(values)),
  int64: ([value]) => (value === undefined ? 0n : int64Of(value)),
  'int64?': ([value]) => (value === undefined ? undefined : int64Of(value)),
  '[]port': (values) => values.flatMap((value) => value.split(',').map(parsePort)),
  'time?': ([value]) => (value === undefined ? undefined : parseTime(value)),
};

function int64Of(text: string): bigint {
  try {
    return parseInt64(text);
  } catch (error) {
    if (error instanceof RangeError) throw badRequest(error.message);
    throw error;
  }
}

/** Parses like Go's `strconv.ParseUint(text, 10, 16)`, with the error text of upstream's conversion. */
function parsePort(text: string): number {
  const fail = (why: string) =>
    badRequest(`cannot convert to []int32: strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`);
  if (!/^\d+$/.test(text)) throw fail('invalid syntax');
  if (Number(text) > 0xffff) throw fail('value out of range');
  return Number(text);
}

/**
 * Parses a time. Clients that made their query from JSON send `null` for no time. Like an empty text, it gives Go's zero time.
 */
function parseTime(text: string): string {
  if (text === '' || text === 'null') return '0001-01-01T00:00:00Z';
  try {
    return canonicalTime(text);
  } catch (error) {
    if (error instanceof TimeError) throw badRequest(error.message);
    throw error;
  }
}
