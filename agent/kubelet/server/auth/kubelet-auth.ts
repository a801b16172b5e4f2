/**
 * Authentication and authorization of requests to the kubelet: first the user (by a client certificate of the cluster's CA or a bearer
 * token, or anonymous), then whether the API server allows that user the request.
 *
 * Source: upstream `pkg/kubelet/server/server.go` (InstallAuthFilter), `cmd/kubelet/app/auth.go`, apiserver
 * `pkg/authentication/authenticatorfactory/delegating.go`; kubernetes.io, Kubelet authentication/authorization.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { requestTarget } from '#agent/host/listener.ts';
import { headerToken, protocolToken } from '#api/bearer-token.ts';
import type { TokenReviewStatus, UserInfo } from '#api/types.generated.ts';
import { subresourcesOf, verbOf } from './attributes.ts';
import { type ShownCertificate, shownCertificate } from './certificate-user.ts';
import type { Reviews } from './reviews.ts';

/** Whether a request is allowed; if not, the HTTP status and upstream's text of the answer. */
export type Verdict = { kind: 'allowed' } | { kind: 'refused'; status: 401 | 403 | 500; text: string };

/** The configuration, with upstream's names. */
export interface KubeletAuthOptions {
  nodeName: string;
  /** `--anonymous-auth`: requests without credentials are `system:anonymous`. */
  anonymous: boolean;
  /** `--authentication-token-webhook`: bearer tokens are accepted. */
  tokenWebhook: boolean;
  /** `--authorization-mode`. */
  mode: 'AlwaysAllow' | 'Webhook';
}

/** The parts of a request that authentication and authorization read. */
export interface KubeletRequest {
  certificate: ShownCertificate;
  method: string;
  /** As it was sent. */
  url: string;
  authorization: string | undefined;
  /** `Sec-WebSocket-Protocol` of a request to upgrade. */
  protocols: string | undefined;
}

const unauthorized: Verdict = { kind: 'refused', status: 401, text: 'Unauthorized' };
const anonymousUser: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };

/** The request has credentials, and they are not valid. */
class CredentialsError extends Error {
  override name = 'CredentialsError';
}

/** Authenticates and authorizes requests to the kubelet. It asks the API server and caches the answers for a while. */
export class KubeletAuth {
  readonly #reviews: Reviews;
  readonly #log: Logger;
  readonly #options: KubeletAuthOptions;

  constructor(reviews: Reviews, log: Logger, options: KubeletAuthOptions) {
    this.#reviews = reviews;
    this.#log = log;
    this.#options = options;
  }

  /** Decides about a request. Never rejects; when the API server cannot be asked, the request is refused. */
  async check(request: KubeletRequest): Promise<Verdict> {
    let user: UserInfo | undefined;
    try {
      user = await this.#userOf(request);
    } catch (error) {
      // A request with invalid credentials is not treated as anonymous.
      this.#log.info({ err: error }, 'a request to the kubelet could not be authenticated');
      return unauthorized;
    }
    return user === undefined ? unauthorized : await this.#authorize(user, request);
  }

  async #userOf(request: KubeletRequest): Promise<UserInfo | undefined> {
    const { certificate } = request;
    if (certificate.kind === 'user') return withAuthenticated(certificate.user);
    let wrong = certificate.kind === 'wrong' ? `the client certificate: ${certificate.reason}` : undefined;
    const { token, error } = this.#options.tokenWebhook ? tokenOf(request) : {};
    if (token !== undefined) {
      const review = await this.#reviews.token(token);
      if (review.authenticated === true && (review.error ?? '') === '') return withAuthenticated(review.user ?? {});
      wrong = (review as Partial<TokenReviewStatus>).error || 'invalid bearer token';
    }
    wrong ??= error;
    if (wrong !== undefined) throw new CredentialsError(wrong);
    return this.#options.anonymous ? anonymousUser : undefined;
  }

  async #authorize(user: UserInfo, { method, url }: KubeletRequest): Promise<Verdict> {
    const { mode, nodeName } = this.#options;
    if (mode === 'AlwaysAllow') return { kind: 'allowed' };
    const verb = verbOf(method);
    const subresources = subresourcesOf(pathOf(url));
    const { username, uid, groups, extra } = user;
    for (const subresource of subresources) {
      const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName };
      try {
        const { allowed, denied } = await this.#reviews.access({ user: username, uid, groups, extra, resourceAttributes });
        if (allowed && denied !== true) return { kind: 'allowed' };
      } catch (error) {
        this.#log.warn({ err: error, user: username, verb, subresource }, 'the API server could not be asked what a user may do');
        const text = `Authorization error (user=${username}, verb=${verb}, resource=nodes, subresource=${subresource})`;
        return { kind: 'refused', status: 500, text };
      }
    }
    const text = `Forbidden (user=${username}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`;
    return { kind: 'refused', status: 403, text };
  }
}

function tokenOf({ authorization, protocols }: KubeletRequest): { token?: string; error?: string } {
  const { token } = authorization === undefined ? {} : headerToken(authorization);
  if (token !== undefined) return { token };
  return protocols === undefined ? {} : protocolToken(protocols);
}

const withAuthenticated = (user: UserInfo): UserInfo => {
  const groups = user.groups ?? [];
  return groups.includes('system:authenticated') || user.username === 'system:anonymous'
    ? user
    : { ...user, groups: [...groups, 'system:authenticated'] };
};

/**
 * The decoded path, as Go's server sees it. A path that cannot be decoded stays as it is, so only users with access to every path may use
 * it.
 */
function pathOf(url: string): string {
  try {
    return decodeURIComponent(requestTarget(url)?.path ?? '');
  } catch (error) {
    if (error instanceof URIError) return '';
    throw error;
  }
}

/** Reads a {@link KubeletRequest} from a request of Node's server. @param nowMs wall clock time */
export const kubeletRequest = (message: IncomingMessage, nowMs: number): KubeletRequest => ({
  certificate: shownCertificate(message.socket as TLSSocket, nowMs),
  method: message.method ?? '',
  url: message.url ?? '/',
  authorization: message.headers.authorization,
  protocols: message.headers.upgrade === undefined ? undefined : message.headers['sec-websocket-protocol'],
});
