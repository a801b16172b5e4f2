/**
 * Bearer tokens in the `Authorization` header, or among the subprotocols of a WebSocket: a browser cannot set that header there. API server
 * and kubelet read them alike.
 *
 * Source: apiserver `pkg/authentication/request/{bearertoken,websocket}`.
 */
import { isUtf8 } from 'node:buffer';

/** The token of an `Authorization` header. `hasExtraSpace`: it cannot be read because of a second space. */
export function headerToken(authorization: string): { token?: string; hasExtraSpace: boolean } {
  const [scheme = '', token, ...rest] = authorization.trim().split(' ');
  if (token === undefined || scheme.toLowerCase() !== 'bearer') return { hasExtraSpace: false };
  return token === '' ? { hasExtraSpace: rest.length > 0 } : { token, hasExtraSpace: false };
}

const tokenPrefix = 'base64url.bearer.authorization.k8s.io.';
const offeredIn = (protocols: string): string[] => protocols.split(',').map((name) => name.trim());

/**
 * The token among the subprotocols that a client offers. `error`: it is not base64url, there are several, or there is no other subprotocol
 * for the server to choose.
 */
export function protocolToken(protocols: string): { token?: string; error?: string } {
  const offered = offeredIn(protocols);
  const [encoded, ...more] = offered.filter((name) => name.startsWith(tokenPrefix));
  if (encoded === undefined) return {};
  const text = encoded.slice(tokenPrefix.length);
  const bytes = Buffer.from(text, 'base64url');
  if (more.length > 0) return { error: 'multiple base64.bearer.authorization tokens specified' };
  if (bytes.toString('base64url') !== text) return { error: 'invalid base64.bearer.authorization token encoding' };
  if (!isUtf8(bytes)) return { error: 'invalid base64.bearer.authorization token' };
  if (offered.length < 2) return { error: 'missing additional subprotocol' };
  return bytes.length === 0 ? {} : { token: bytes.toString('utf8') };
}

/** The subprotocols that a client offers, without the one that carries a token: nothing behind authentication may see the token. */
export const withoutToken = (protocols: string): string =>
  offeredIn(protocols)
    .filter((name) => !name.startsWith(tokenPrefix))
    .join(', ');
