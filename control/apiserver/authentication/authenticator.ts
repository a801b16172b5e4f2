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

/** Credentials are there and are wrong. The message says why, without anything secret: it is logged, and a TokenReview shows it. */
export class AuthenticationError extends Error {
  override name = 'AuthenticationError';
}

/** The CAs that clients' certificates come from: `--client-ca-file`, `--requestheader-client-ca-file`. */
export type CertificateSigner = 'client' | 'requestHeader';

/** The certificate of a client that has proven in the TLS handshake that it has the private key. */
export interface ClientCertificate {
  certificate: PeerCertificate | DetailedPeerCertificate;
  /** Which of the CAs have signed it. Empty: none that we know. */
  signedBy: readonly CertificateSigner[];
  /** Why TLS does not accept it: expired, for servers only, of an unknown CA. */
  problem?: string | undefined;
}

/** What an authenticator may see of a request. */
export interface AuthenticationRequest {
  /** Of the connection. */
  certificate: ClientCertificate | undefined;
  headers: HeaderValues;
  /** Of a request for a WebSocket: its `Sec-WebSocket-Protocol` header. */
  protocols: string | undefined;
  /** What it asks for. */
  info: RequestInfo;
  /** For whom the credentials must be meant, where they say it: `--api-audiences`, or those of a TokenReview. */
  audiences: readonly string[];
  /** Adds a `Warning:` header to the answer. */
  warn(message: string): void;
}

/** What a token is checked for. */
export type TokenContext = Pick<AuthenticationRequest, 'audiences' | 'warn'>;

/** The sender is known. */
export interface Authenticated {
  user: UserInfo;
  /** Those of the audiences asked for that the credentials are good for; absent: they say nothing about audiences (certificates). */
  audiences?: readonly string[];
}

/** Undefined: no opinion. An answer that needs no wait is given at once. */
export type AuthenticatorAnswer = Authenticated | undefined | Promise<Authenticated | undefined>;

/** One way to know the sender by the whole request. */
export interface RequestAuthenticator {
  /**
   * @returns an error where it is the same for each request of a connection: throwing it would cost a small request some percent of its time
   * @throws AuthenticationError
   */
  authenticateRequest(request: AuthenticationRequest): AuthenticatorAnswer | AuthenticationError;
}

/** Several of them as one: it throws its errors. */
export interface RequestAuthenticators {
  /** @throws AuthenticationError */
  authenticateRequest(request: AuthenticationRequest): Promise<Authenticated | undefined>;
}

/** One way to know the sender by a bearer token. */
export interface TokenAuthenticator {
  /** @throws AuthenticationError */
  authenticateToken(token: string, context: TokenContext): AuthenticatorAnswer;
}

/** Asks one after the other until one names the user. The errors of the others count only if none does. */
export function unionOfRequests(authenticators: readonly RequestAuthenticator[]): RequestAuthenticators {
  return { authenticateRequest: (request) => firstOf(authenticators, (one) => one.authenticateRequest(request)) };
}

/** The same for tokens. */
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

/** Credentials that say nothing about audiences are good for the API server's own. Source: `WrapAudienceAgnosticToken`. */
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

/** Those of `audiences` that are asked for. */
export const commonAudiences = (audiences: readonly string[], asked: readonly string[]): string[] =>
  audiences.filter((audience) => asked.includes(audience));

/** The user of requests without credentials. */
export const anonymousName = 'system:anonymous';

/** The group of everybody whose credentials were good. */
export const allAuthenticated = 'system:authenticated';

/** The group of anonymous requests. */
export const allUnauthenticated = 'system:unauthenticated';

/** Adds the group `system:authenticated`, unless the user is in `system:unauthenticated`. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  const { name, groups } = user;
  if (name === anonymousName || groups.includes(allAuthenticated) || groups.includes(allUnauthenticated)) return user;
  return { ...user, groups: [...groups, allAuthenticated] };
}
