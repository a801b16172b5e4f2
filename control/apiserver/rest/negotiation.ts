/**
 * Content negotiation: which format a body is in, and which format and shape (plain, Table, PartialObjectMetadata, …) the
 * answer takes.
 *
 * Source: apiserver `pkg/endpoints/handlers/negotiation`; text of 406 and 415 as there.
 */
import { ownValue } from '#api/own-value.ts';
import { notAcceptable, unsupportedMediaType } from '#api/status.ts';

/** How a body is encoded. */
export type Format = 'json' | 'yaml' | 'protobuf';

/** The format of each media type. */
export const formats: Readonly<Record<string, Format>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
};

const contentTypes: Readonly<Record<Format, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

/** The `Content-Type` of an answer. @param stream of a watch, whose frames have a media type of their own in protobuf */
export function contentTypeOf(format: Format, stream = false): string {
  return stream && format === 'protobuf' ? 'application/vnd.kubernetes.protobuf;stream=watch' : contentTypes[format];
}

/** The kind that the client wants the answer turned into: `as=Table;v=v1;g=meta.k8s.io`. */
export interface Conversion {
  kind: string;
  group: string;
  version: string;
}

/** What the answer will look like. */
export interface Accepted {
  format: Format;
  convert: Conversion | undefined;
}

interface Clause {
  type: string;
  params: Map<string, string>;
  quality: number;
}

/** How many clauses of `Accept` are read: clients send a handful, and reading a megabyte of them would only cost time. */
const maxClauses = 100;

/** A cache of parsed Accept headers: a cluster's clients send a few dozen different ones. */
const parsed = new Map<string, readonly Clause[]>();
const maxParsed = 100;
const maxParsedLength = 500;

function parseAccept(header: string): readonly Clause[] {
  const known = parsed.get(header);
  if (known !== undefined) return known;
  const clauses = readAccept(header);
  if (parsed.size >= maxParsed) parsed.clear();
  if (header.length <= maxParsedLength) parsed.set(header, clauses);
  return clauses;
}

function readAccept(header: string): Clause[] {
  const clauses = header.split(',', maxClauses).map((text) => {
    const [type = '', ...rest] = text.split(';').map((part) => part.trim());
    const params = new Map(
      rest.map((part): [string, string] => {
        const equals = part.indexOf('=');
        return equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
      }),
    );
    const quality = Number(params.get('q') ?? '1');
    params.delete('q');
    return { type: type.toLowerCase(), params, quality: Number.isNaN(quality) ? 1 : quality };
  });
  return clauses.filter(({ quality }) => quality > 0).sort((a, b) => b.quality - a.quality);
}

function formatOf(type: string): Format | undefined {
  if (type === '*/*' || type === 'application/*') return 'json';
  return ownValue(formats, type);
}

/**
 * Picks the first acceptable clause.
 * @param allows whether this endpoint can turn its answer into the wanted kind
 * @param hasForm whether the answer as it is has a form in this format; custom resources have none in protobuf
 * @throws ApiError 406 when nothing fits
 */
export function negotiate(
  header: string | undefined,
  allows: (convert: Conversion, format: Format) => boolean,
  hasForm: (format: Format) => boolean = () => true,
): Accepted {
  if (header === undefined || header === '') return { format: 'json', convert: undefined };
  for (const { type, params } of parseAccept(header)) {
    const format = formatOf(type);
    if (format === undefined) continue;
    const kind = params.get('as');
    if (kind === undefined) {
      if (hasForm(format)) return { format, convert: undefined };
      continue;
    }
    const convert = { kind, group: params.get('g') ?? '', version: params.get('v') ?? '' };
    if (allows(convert, format)) return { format, convert };
  }
  throw notAcceptable(`only the following media types are accepted: ${Object.keys(formats).join(', ')}`);
}

/** The format of an error. An error must be answered in some format, whatever the client accepts. */
export function negotiateLeniently(header: string | undefined): Format {
  for (const { type } of parseAccept(header ?? '')) {
    const format = formatOf(type);
    if (format !== undefined) return format;
  }
  return 'json';
}

/** The format of a request body. @throws ApiError 415 for an unknown media type */
export function bodyFormat(contentType: string | undefined): Format {
  const type = mediaTypeOf(contentType);
  if (type === '') return 'json';
  const format = ownValue(formats, type);
  if (format === undefined) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${Object.keys(formats).join(', ')}`,
    );
  }
  return format;
}

/** The media type without parameters, lower-case; empty when absent. */
export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Whether the answer is indented: on `pretty` in the query, or for a browser, curl or wget. */
export function wantsPretty(query: URLSearchParams, userAgent: string | undefined): boolean {
  const asked = query.get('pretty');
  if (asked !== null && asked !== '') return ['1', 't', 'true', 'T', 'TRUE', 'True'].includes(asked);
  return /^(curl|Wget|Mozilla\/5\.0)/.test(userAgent ?? '');
}
