/**
 * Request targets and queries, read as Go's net/http and net/url read them: absolute forms, percent-encodings that are none, `;` in
 * queries. What Go refuses is refused, and nothing here throws.
 *
 * Source: Go `net/url` (ParseRequestURI, ParseQuery), `net/http` (readRequest); RFC 9112, 3.2.
 */

/** Path and query of a request, decoded. */
export interface RequestTarget {
  /** Percent-decoded as a whole, as in Go: an encoded slash is a slash. Empty for `CONNECT host:port` and `https://host`. */
  path: string;
  /** As it came, without the question mark. */
  rawQuery: string;
}

/** Takes a request target apart. Undefined when Go's server would refuse it with 400. */
export function parseTarget(method: string, target: string): RequestTarget | undefined {
  if (target === '' || hasControlCharacter(target)) return undefined;
  if (target === '*') return { path: '*', rawQuery: '' };
  const text = method === 'CONNECT' && !target.startsWith('/') ? `http://${target}` : target;
  const mark = text.indexOf('?');
  const beforeQuery = mark < 0 ? text : text.slice(0, mark);
  const rawQuery = mark < 0 ? '' : text.slice(mark + 1);
  const encodedPath = beforeQuery.startsWith('/') ? beforeQuery : pathOfAbsolute(beforeQuery);
  const path = encodedPath === undefined ? undefined : percentDecoded(encodedPath);
  return path === undefined ? undefined : { path, rawQuery };
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code === 0x7f) return true;
  }
  return false;
}

/** `scheme://authority/path`; a scheme without slashes is opaque and has no path. */
function pathOfAbsolute(text: string): string | undefined {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(text)?.[0];
  if (scheme === undefined) return undefined;
  const rest = text.slice(scheme.length);
  if (!rest.startsWith('/')) return '';
  if (!rest.startsWith('//')) return rest;
  const slash = rest.indexOf('/', 2);
  const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  return isHost(host) ? (slash < 0 ? '' : rest.slice(slash)) : undefined;
}

/** A name or address, brackets around IPv6, and a port of digits. */
export function isHost(host: string): boolean {
  return /^(?:\[[0-9A-Za-z.:%_~-]*\]|[^[\]:/?#@\\^`{|}"<>\s]*)(?::\d*)?$/.test(host);
}

/** Undefined where a `%` is not followed by two hexadecimal digits. Bytes that are no UTF-8 become U+FFFD. */
function percentDecoded(text: string): string | undefined {
  if (!text.includes('%')) return text;
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'));
}

/** Go's `url.ParseQuery`, as `URL.Query()` calls it: pairs that cannot be read are left out. */
export function parseQuery(rawQuery: string): URLSearchParams {
  const query = new URLSearchParams();
  for (const pair of rawQuery.split('&')) {
    if (pair === '' || pair.includes(';')) continue;
    const equals = pair.indexOf('=');
    const name = percentDecoded((equals < 0 ? pair : pair.slice(0, equals)).replaceAll('+', ' '));
    const value = percentDecoded((equals < 0 ? '' : pair.slice(equals + 1)).replaceAll('+', ' '));
    if (name !== undefined && value !== undefined) query.append(name, value);
  }
  return query;
}
