/**
 * Authentication and authorization of a component's own endpoints: client certificates are checked here; whose a token is, and what a user may
 * do, is asked of the API server.
 *
 * Source: apiserver `pkg/server/options/{authentication,authorization}.go`, `pkg/{authentication/authenticatorfactory,authorization/authorizerfactory}/delegating.go`.
 */
import type { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from '#api/types.generated.ts';
import { AnswerCache } from '#client/answer-cache.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { Authentication } from '../apiserver/authentication/authentication.ts';
import type { AuthenticationMetrics } from '../apiserver/authentication/authentication-metrics.ts';
import { AuthenticationError, type TokenAuthenticator } from '../apiserver/authentication/authenticator.ts';
import type { RequestHeaderOptions } from '../apiserver/authentication/request-header.ts';
import { TokenCache } from '../apiserver/authentication/token-cache.ts';
import {
  type AuthorizationAttributes,
  type Authorizer,
  noOpinion,
  privilegedGroups,
  union,
} from '../apiserver/authorization/authorization.ts';
import type { ServerLog } from '../apiserver/serving/server-log.ts';

/** Who is asked, and for how long answers are remembered. */
export interface DelegatedAuthOptions {
  /** `--authentication-kubeconfig`. Absent: tokens are not known. */
  tokenClient?: Pick<Client, 'reviewToken'> | undefined;
  /** `--authorization-kubeconfig`. Absent: only `system:masters`, and what everybody may, is allowed. */
  accessClient?: Pick<Client, 'reviewAccess'> | undefined;
  requestHeader?: RequestHeaderOptions | undefined;
  tokenCacheMs: number;
  authorizedCacheMs: number;
  unauthorizedCacheMs: number;
  /** `--authorization-always-allow-paths`: for everybody. A `*` at the end stands for anything. */
  alwaysAllowPaths: readonly string[];
}

/** Upstream's, of all components. */
export const defaultDelegation = {
  tokenCacheMs: 10_000,
  authorizedCacheMs: 10_000,
  unauthorizedCacheMs: 10_000,
  alwaysAllowPaths: ['/healthz', '/readyz', '/livez'],
} as const;

interface Deps {
  clock: Clock;
  log: ServerLog;
  metrics: AuthenticationMetrics;
}

/** Whoever shows nothing is `system:anonymous`, as in upstream's components. */
export function delegatedAuthentication({ clock, log, metrics }: Deps, options: DelegatedAuthOptions): Authentication {
  const { tokenClient, requestHeader, tokenCacheMs } = options;
  const webhook =
    tokenClient === undefined
      ? undefined
      : new TokenCache(tokenReviews(tokenClient), { successMs: tokenCacheMs, failureMs: tokenCacheMs }, clock, metrics);
  return new Authentication({
    clock,
    log,
    metrics,
    tokens: { serviceAccounts: [], webhook },
    audiences: [],
    requestHeader,
    background: () => Promise.resolve(),
    allowsAnonymous: () => true,
  });
}

function tokenReviews(client: Pick<Client, 'reviewToken'>): TokenAuthenticator {
  return {
    async authenticateToken(token) {
      let answer: Awaited<ReturnType<Client['reviewToken']>>;
      try {
        answer = await client.reviewToken({ token });
      } catch (error) {
        throw new AuthenticationError('the API server could not be asked about a token', { cause: error });
      }
      const { authenticated, error = '', user } = answer;
      if (authenticated !== true) {
        if (error !== '') throw new AuthenticationError(error);
        return undefined;
      }
      const { username = '', uid, groups = [], extra = {} } = user ?? {};
      return { user: { name: username, ...(uid === undefined ? {} : { uid }), groups, extra } };
    },
  };
}

/** Upstream's order: `system:masters`, paths for everybody, the API server. */
export function delegatedAuthorization({ clock }: Pick<Deps, 'clock'>, options: DelegatedAuthOptions): Authorizer {
  const { accessClient, authorizedCacheMs, unauthorizedCacheMs, alwaysAllowPaths } = options;
  const cache = new AnswerCache<SubjectAccessReviewStatus>(clock, ({ allowed }) =>
    allowed ? authorizedCacheMs : unauthorizedCacheMs,
  );
  const rules: Authorizer['rules'] = () => ({ resourceRules: [], nonResourceRules: [], incomplete: true });
  const paths: Authorizer = {
    authorize: ({ isResource, path }) =>
      !isResource && alwaysAllowPaths.some((allowed) => matchesPath(path, allowed)) ? { allowed: true, reason: '' } : noOpinion(),
    rules,
  };
  if (accessClient === undefined) return union([privilegedGroups, paths]);
  const asked: Authorizer = {
    async authorize(attributes) {
      const spec = specOf(attributes);
      const { allowed, denied, reason = '' } = await cache.get(JSON.stringify(spec), () => accessClient.reviewAccess(spec));
      return { allowed, denied: denied === true, reason };
    },
    rules,
  };
  return union([privilegedGroups, paths, asked]);
}

/** `/livez` allows what is below it only as `/livez/*`. Source: apiserver `pkg/authorization/path`. */
function matchesPath(path: string, allowed: string): boolean {
  if (allowed.endsWith('*')) return path.startsWith(allowed.slice(0, -1));
  return path.replace(/^\/+/, '') === allowed.replace(/^\/+/, '');
}

function specOf({ user, verb, isResource, path, ...of }: AuthorizationAttributes): SubjectAccessReviewSpec {
  const who = {
    user: user.name,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: [...user.groups],
    extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])),
  };
  if (!isResource) return { ...who, nonResourceAttributes: { path, verb } };
  const { namespace, group, version, resource, subresource, name } = of;
  return { ...who, resourceAttributes: { namespace, verb, group, version, resource, subresource, name } };
}
