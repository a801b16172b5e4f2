/**
 * The interface between requests and authenticators. An authenticator names the user, has no opinion, or finds that the
 * credentials are wrong.
 *
 * Source: apiserver `pkg/authentication/authenticator`, `pkg/authentication/{request,token}/union`, `pkg/authentication/group`.
 */
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { HeaderValues } from './header-values.ts';

/**
 * The request has credentials, and they are wrong. The message says why. It contains nothing secret, because it is logged and shown in
 * TokenReviews.
 */
export class AuthenticationError extends Error {
  override name = 'AuthenticationError';
}

/** The CAs of client certificates: `--client-ca-file` and `--requestheader-client-ca-file`. */
export type CertificateSigner = 'client' | 'requestHeader';

/** The certificate of a client that has proven in the TLS handshake that it has the private key. */
export interface ClientCertificate {
  certificate: PeerCertificate | DetailedPeerCertificate;
  /** Which of these CAs have signed it. Empty: none of them. */
  signedBy: readonly CertificateSigner[];
  /** Why TLS verification failed: for example, the certificate is expired, is for servers only, or is of an unknown CA. */
  problem?: string | undefined;
}

/** The parts of a request that authenticators see. */
export interface AuthenticationRequest {
  /** Of the connection. */
  certificate: ClientCertificate | undefined;
  headers: HeaderValues;
  /** The `Sec-WebSocket-Protocol` header of a WebSocket request. */
  protocols: string | undefined;
  /** What it asks for. */
  info: RequestInfo;
  /** The audiences that the credentials must be for, if they name audiences: `--api-audiences`, or the audiences of a TokenReview. */
  audiences: readonly string[];
  /** Adds a `Warning:` header to the answer. */
  warn(message: string): void;
}

/** What a token is checked for. */
export type TokenContext = Pick<AuthenticationRequest, 'audiences' | 'warn'>;

/** The sender is known. */
export interface Authenticated {
  user: UserInfo;
  /** The requested audiences that the credentials are valid for. Absent: the credentials name no audiences (certificates). */
  audiences?: readonly string[];
}

/** Undefined: no opinion. The result is a promise only if the authenticator has to wait. */
export type AuthenticatorAnswer = Authenticated | undefined | Promise<Authenticated | undefined>;

/** Authenticates by the whole request. */
export interface RequestAuthenticator {
  /**
   * @returns an error, instead of throwing it, if the error is the same for every request of a connection: throwing costs a small request
   * some percent of its time
   * @throws AuthenticationError
   */
  authenticateRequest(request: AuthenticationRequest): AuthenticatorAnswer | AuthenticationError;
}

/** Several request authenticators as one, which throws its errors. */
export interface RequestAuthenticators {
  /** @throws AuthenticationError */
  authenticateRequest(request: AuthenticationRequest): Promise<Authenticated | undefined>;
}

/** Authenticates by a bearer token. */
export interface TokenAuthenticator {
  /** @throws AuthenticationError */
  authenticateToken(token: string, context: TokenContext): AuthenticatorAnswer;
}

/** Asks one authenticator after the other until one names the user. Errors are reported only if none does. */
export function unionOfRequests(authenticators: readonly RequestAuthenticator[]): RequestAuthenticators {
  return { authenticateRequest: (request) => firstOf(authenticators, (one) => one.authenticateRequest(request)) };
}

/** The same for token authenticators. */
export function unionOfTokens(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return { authenticateToken: (token, context) => firstOf(authenticators, (one) => one.authenticateToken(token, context)) };
}

async function firstOf<T>(
  authenticators: readonly T[],
  ask: (one: T) => AuthenticatorAnswer | AuthenticationError,
): Promise<Authenticated | undefined> {
  const errors: AuthenticationError[] = [];
  for (const authenticator of authenticators) {
    try {
      const asked = ask(authenticator);
      const answer = asked instanceof Promise ? await asked : asked;
      if (answer instanceof AuthenticationError) errors.push(answer);
      else if (answer !== undefined) return answer;
    } catch (error) {
      if (!(error instanceof AuthenticationError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw aggregate(errors);
  return undefined;
}

/** Several errors as one, in the words of upstream's `NewAggregate`: `[a, b]`, each text once. */
function aggregate(errors: readonly AuthenticationError[]): AuthenticationError {
  const [first] = errors;
  if (errors.length === 1 && first !== undefined) return first;
  const texts = [...new Set(errors.map(({ message }) => message))];
  return new AuthenticationError(texts.length === 1 ? texts.join() : `[${texts.join(', ')}]`, { cause: errors });
}

/** Credentials that name no audiences are valid for the API server's own audiences. Source: `WrapAudienceAgnosticToken`. */
export function audienceAgnostic(authenticator: TokenAuthenticator, implicit: readonly string[]): TokenAuthenticator {
  return {
    async authenticateToken(token, context) {
      if (context.audiences.length === 0) return await authenticator.authenticateToken(token, context);
      const audiences = commonAudiences(implicit, context.audiences);
      if (audiences.length === 0) return undefined;
      const answer = await authenticator.authenticateToken(token, context);
      return answer === undefined ? undefined : { ...answer, audiences };
    },
  };
}

/** The requested audiences among `audiences`. */
export const commonAudiences = (audiences: readonly string[], asked: readonly string[]): string[] =>
  audiences.filter((audience) => asked.includes(audience));

/** The user of requests without credentials. */
export const anonymousName = 'system:anonymous';

/** The group of all authenticated users. */
export const allAuthenticated = 'system:authenticated';

/** The group of anonymous requests. */
export const allUnauthenticated = 'system:unauthenticated';

/** Adds the group `system:authenticated`, unless the user is in `system:unauthenticated`. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  const { name, groups } = user;
  if (name === anonymousName || groups.includes(allAuthenticated) || groups.includes(allUnauthenticated)) return user;
  return { ...user, groups: [...groups, allAuthenticated] };
}
