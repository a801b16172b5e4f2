/**
 * Links of a page or redirect that came through a proxy: what is absolute on the same host gets the proxy's path in front.
 *
 * Source: apimachinery `pkg/util/proxy/transport.go` (rewriteURL), Go's `net/url`.
 */
import { posix } from 'node:path';

/** Where a page came from and where the client sees it. */
export interface LinkContext {
  /** `10.0.0.1:80`: the host that the page came from. */
  backendHost: string;
  /** The Host header of the client's request. */
  requestHost: string;
  /** `/api/v1/namespaces/default/pods/web/proxy`. */
  prefix: string;
}

const urlParts = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/is;

/** The rewritten URL, or the same text; undefined for what is no URL. Pure. */
export function rewriteLink(url: string, { backendHost, requestHost, prefix }: LinkContext): string | undefined {
  if (hasControlCharacter(url) || /%(?![0-9a-f]{2})/i.test(url.split(/[?#]/, 1)[0] ?? '')) return undefined;
  const match = urlParts.exec(url);
  if (match === null) return undefined;
  const [, scheme = '', authority = '', path = '', query = '', fragment = ''] = match;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const isElsewhere = host !== '' && host !== backendHost && host !== requestHost;
  if (isElsewhere || !path.startsWith('/')) return url;
  // The client's own name for us stays; the backend's is of no use to the client.
  const origin = host !== '' && host === requestHost ? `${scheme === '' ? '' : `${scheme}:`}//${authority}` : '';
  return `${origin}${path.startsWith(prefix) ? path : underPrefix(prefix, path)}${query}${fragment}`;
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function underPrefix(prefix: string, path: string): string {
  const joined = posix.join(prefix, path);
  return path.endsWith('/') && !joined.endsWith('/') ? `${joined}/` : joined;
}

/** A path as Go writes it (`URL.EscapedPath`). */
export function escapePath(path: string): string {
  return path
    .split(/([/$&+,:;=@])/)
    .map((part, index) =>
      index % 2 === 1
        ? part
        : encodeURIComponent(part.toWellFormed()).replace(
            /[!'()*]/g,
            (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
          ),
    )
    .join('');
}
