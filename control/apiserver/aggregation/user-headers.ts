/**
 * The headers that tell an aggregated server the user of a forwarded request.
 *
 * Source: client-go `transport/round_trippers.go` (SetAuthProxyHeaders).
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { UserInfo } from '../registry/strategy.ts';

/** The `X-Remote-…` headers. Pure. */
export function userHeaders({ name, uid = '', groups, extra }: UserInfo): OutgoingHttpHeaders {
  const extras = Object.entries(extra).map(([key, values]): [string, string[]] => [
    `x-remote-extra-${escapedKey(key.toLowerCase())}`,
    values.map(bytesOf),
  ]);
  return {
    'x-remote-user': bytesOf(name),
    ...(uid === '' ? {} : { 'x-remote-uid': bytesOf(uid) }),
    ...(groups.length === 0 ? {} : { 'x-remote-group': groups.map(bytesOf) }),
    ...Object.fromEntries(extras),
  };
}

/** Go writes header values as UTF-8; Node writes one byte for each character. */
const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Percent-encodes characters that are not valid in a header name, and `%` itself, as UTF-8 bytes. */
function escapedKey(key: string): string {
  return [...Buffer.from(key, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[!#$&'*+\-.^_`|~0-9a-z]/i.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
