/** URLs, read as Go's net/url does. Source: apiserver `pkg/cel/library/urls.go`; Go `net/url`. */
import { define, type Library } from '../declarations.ts';
import { traverses } from '../runtime-cost.ts';
import { opaqueType } from '../types.ts';
import { CelError, keyOf, NativeList, NativeMap, Opaque, type Value } from '../values.ts';

interface UrlParts {
  scheme: string;
  /** Host with port. */
  host: string;
  hostname: string;
  port: string;
  /** Percent-encoded. */
  path: string;
  query: string;
}

class Url extends Opaque {
  static readonly type = opaqueType('kubernetes.URL');
  readonly typeName = Url.type.name;
  readonly text: string;
  readonly parts: UrlParts;
  constructor(text: string, parts: UrlParts) {
    super();
    this.text = text;
    this.parts = parts;
  }
  override equals(other: Opaque): boolean {
    return other instanceof Url && other.text === this.text;
  }
}

const failure = (text: string, why: string): CelError => new CelError(`parse ${JSON.stringify(text)}: ${why}`);
const shape = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
/** Characters of a path that Go writes as they are. */
const unescaped = /[A-Za-z0-9\-._~$&+,/:;=@!'()*[\]%]/;

const isControl = (char: string): boolean => char < ' ' || char === '\x7f';

/** @throws CelError as Go's ParseRequestURI */
export function parseUrl(text: string): UrlParts {
  if (text === '') throw failure(text, 'empty url');
  if (Array.from(text).some(isControl)) throw failure(text, 'net/url: invalid control character in URL');
  const [, scheme = '', authority, path = '', query = ''] = shape.exec(text) ?? [];
  if (scheme === '') {
    if (text.startsWith(':')) throw failure(text, 'missing protocol scheme');
    if (!text.startsWith('/')) throw failure(text, 'invalid URI for request');
  } else if (authority === undefined && !path.startsWith('/')) throw failure(text, 'invalid URI for request');
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(path);
  if (bad !== null) throw failure(text, `invalid URL escape ${JSON.stringify(bad[0])}`);
  const host = (authority ?? '').replace(/^.*@/s, '');
  const { hostname, port } = splitHost(text, host);
  const escaped = Array.from(path, (char) => (unescaped.test(char) ? char : encodeURIComponent(char))).join('');
  return { scheme: scheme.toLowerCase(), host, hostname, port, path: escaped, query };
}

function splitHost(text: string, host: string): { hostname: string; port: string } {
  const [, hostname = '', , port = ''] = /^(\[[^\]]*\]|[^:]*)(:(.*))?$/s.exec(host) ?? [];
  if (host.startsWith('[') && !host.includes(']')) throw failure(text, "missing ']' in host");
  if (!/^\d*$/.test(port)) throw failure(text, `invalid port ${JSON.stringify(`:${port}`)} after host`);
  const strange = /[ <>"\\^`{|}]/.exec(hostname);
  if (strange !== null) throw failure(text, `invalid character ${JSON.stringify(strange[0])} in host name`);
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port };
}

function urlOf(text: string): Url {
  try {
    return new Url(text, parseUrl(text));
  } catch (error) {
    if (error instanceof CelError) throw new CelError(`URL parse error during conversion from string: ${error.message}`);
    throw error;
  }
}

function isUrl(text: string): boolean {
  try {
    parseUrl(text);
    return true;
  } catch (error) {
    if (error instanceof CelError) return false;
    throw error;
  }
}

function queryOf({ parts }: Url): Value {
  const values = new Map<string, [Value, Value[]]>();
  for (const [key, value] of new URLSearchParams(parts.query)) {
    const id = keyOf(key) as string;
    const entry = values.get(id) ?? [key, []];
    entry[1].push(value);
    values.set(id, entry);
  }
  return new NativeMap(new Map([...values].map(([id, [key, items]]) => [id, [key, new NativeList(items)] as const])));
}

const named = { URL: Url.type };

/** `url()` and the parts of a URL. Source: apiserver `pkg/cel/library/urls.go`. */
export const urlLibrary: Library = [
  define('url(string): URL', urlOf, { id: 'string_to_url', named, cost: traverses(0) }),
  define('isURL(string): bool', isUrl, { id: 'is_url_string' }),
  define('.getScheme(URL): string', ({ parts }: Url) => parts.scheme, { named }),
  define('.getHost(URL): string', ({ parts }: Url) => parts.host, { named }),
  define('.getHostname(URL): string', ({ parts }: Url) => parts.hostname, { named }),
  define('.getPort(URL): string', ({ parts }: Url) => parts.port, { named }),
  define('.getEscapedPath(URL): string', ({ parts }: Url) => parts.path, { named }),
  define('.getQuery(URL): map(string, list(string))', queryOf, { named }),
];
