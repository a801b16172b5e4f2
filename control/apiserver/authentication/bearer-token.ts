/**
 * Bearer tokens in the `Authorization` header, or among the subprotocols of a WebSocket: a browser cannot set that header there.
 *
 * Source: apiserver `pkg/authentication/request/{bearertoken,websocket}`.
 */
import { headerToken, protocolToken } from '#api/bearer-token.ts';
import {
  type Authenticated,
  AuthenticationError,
  type RequestAuthenticator,
  type TokenAuthenticator,
  type TokenContext,
} from './authenticator.ts';

const extraSpace = 'the provided Authorization header contains extra space before the bearer token, and is ignored';

/** Authenticates by the token in the `Authorization` header. */
export function bearerToken(tokens: TokenAuthenticator): RequestAuthenticator {
  return {
    authenticateRequest(request) {
      const [authorization = ''] = request.headers.header('authorization');
      const { token, hasExtraSpace } = headerToken(authorization);
      if (hasExtraSpace) request.warn(extraSpace);
      return token === undefined ? undefined : known(tokens, token, request);
    },
  };
}

/** Authenticates by the token among the subprotocols that a WebSocket client offers. */
export function webSocketToken(tokens: TokenAuthenticator): RequestAuthenticator {
  return {
    authenticateRequest(request) {
      const { token, error } = request.protocols === undefined ? {} : protocolToken(request.protocols);
      if (error !== undefined) throw new AuthenticationError(error);
      return token === undefined ? undefined : known(tokens, token, request);
    },
  };
}

/** Authenticates by a token. A token that no authenticator knows is an error. @throws AuthenticationError */
async function known(tokens: TokenAuthenticator, token: string, context: TokenContext): Promise<Authenticated> {
  const answer = await tokens.authenticateToken(token, context);
  if (answer === undefined) throw new AuthenticationError('invalid bearer token');
  return answer;
}
