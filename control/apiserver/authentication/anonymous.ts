/**
 * Requests without credentials get the user `system:anonymous`, if anonymous requests are allowed.
 *
 * Source: apiserver `pkg/authentication/request/anonymous`; kubernetes.io, Authenticating (anonymous requests).
 */
import type { UserInfo } from '../registry/strategy.ts';
import { type AuthenticationRequest, allUnauthenticated, anonymousName, type RequestAuthenticator } from './authenticator.ts';

/** The user of requests without credentials. */
export const anonymousUser: UserInfo = { name: anonymousName, groups: [allUnauthenticated], extra: {} };

/** @param allows says which requests may be anonymous */
export function anonymous(allows: (request: AuthenticationRequest) => boolean): RequestAuthenticator {
  return {
    authenticateRequest: (request) => (allows(request) ? { user: anonymousUser, audiences: request.audiences } : undefined),
  };
}
