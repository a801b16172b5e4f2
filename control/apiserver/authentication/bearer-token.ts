/**
 * Bearer tokens in the `Authorization` header, or among the subprotocols of a WebSocket: a browser cannot set that header there.
 *
 * Source: apiserver `pkg/authentication/request/{bearertoken,websocket}`.
 */
import { isUtf8 } from 'node:buffer';
import {
  type Authenticated,
  AuthenticationError,
  type RequestAuthenticator,
  type TokenAuthenticator,
  type TokenContext,
} from './authenticator.ts';

const extraSpace = 'the provided Authorization header contains extra space before the bearer token, and is ignored';

/** Asks about the token of the `Authorization` header. */
export function bearerToken(tokens: TokenAuthenticator): RequestAuthenticator {
  return {
    authenticateRequest(request) {
      const [authorization = ''] = request.headers.header('authorization');
      const [scheme = '', token, ...rest] = authorization.trim().split(' ');
      if (token === undefined || scheme.toLowerCase() !== 'bearer') return undefined;
      if (token === '') {
        if (rest.length > 0) request.warn(extraSpace);
        return undefined;
      }
      return known(tokens, token, request);
    },
  };
}

/** Asks about the token among the subprotocols that a WebSocket's client offers. */
export function webSocketToken(tokens: TokenAuthenticator): RequestAuthenticator {
  return {
    authenticateRequest(request) {
      const token = request.protocols === undefined ? undefined : protocolToken(request.protocols);
      return token === undefined ? undefined : known(tokens, token, request);
    },
  };
}

/** @throws AuthenticationError also where nobody has an opinion: a token that nobody knows is wrong */
async function known(tokens: TokenAuthenticator, token: string, context: TokenContext): Promise<Authenticated> {
  const answer = await tokens.authenticateToken(token, context);
  if (answer === undefined) throw new AuthenticationError('invalid bearer token');
  return answer;
}

const tokenPrefix = 'base64url.bearer.authorization.k8s.io.';
const offeredIn = (protocols: string): string[] => protocols.split(',').map((name) => name.trim());

/** @throws AuthenticationError when it is not base64url, when there are several, or when there is no other subprotocol for the server to choose */
function protocolToken(protocols: string): string | undefined {
  const offered = offeredIn(protocols);
  const [encoded, ...more] = offered.filter((name) => name.startsWith(tokenPrefix));
  if (encoded === undefined) return undefined;
  const text = encoded.slice(tokenPrefix.length);
  const bytes = Buffer.from(text, 'base64url');
  if (more.length > 0) throw new AuthenticationError('multiple base64.bearer.authorization tokens specified');
  if (bytes.toString('base64url') !== text) throw new AuthenticationError('invalid base64.bearer.authorization token encoding');
  if (!isUtf8(bytes)) throw new AuthenticationError('invalid base64.bearer.authorization token');
  if (offered.length < 2) throw new AuthenticationError('missing additional subprotocol');
  return bytes.length === 0 ? undefined : bytes.toString('utf8');
}

/** The subprotocols that a client offers, without the one that carries a token: nothing behind authentication may see the token. */
export const withoutToken = (protocols: string): string =>
  offeredIn(protocols)
    .filter((name) => !name.startsWith(tokenPrefix))
    .join(', ');
