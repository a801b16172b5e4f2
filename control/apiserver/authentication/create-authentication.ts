/** Puts the authenticators of one API server together, as its options say. */
import type { Secret } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { isPublic } from '../authorization/authorization.ts';
import type { Authorization } from '../authorization/modes.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { Authentication } from './authentication.ts';
import type { AuthenticationMetrics } from './authentication-metrics.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import { bootstrapTokens } from './bootstrap-token.ts';
import { legacyTokens } from './legacy-tokens.ts';
import { IssuerKeys } from './oidc/issuer-keys.ts';
import type { JwtIssuer } from './oidc/jwt-issuer.ts';
import { OidcAuthenticator } from './oidc/oidc-authenticator.ts';
import type { RequestHeaderOptions } from './request-header.ts';
import type { ReadObject, ServiceAccountTokens } from './service-account-tokens.ts';
import { TokenCache } from './token-cache.ts';
import { type WebhookOptions, webhookTokens } from './webhook-token.ts';

/** Upstream's `TokenSuccessCacheTTL`. */
const oidcCacheMs = 10_000;

/** What may be chosen about authentication. */
export interface AuthenticationOptions {
  /** `--anonymous-auth`. Default true. */
  anonymous?: boolean | undefined;
  /** `--token-auth-file`. */
  tokenFile?: TokenAuthenticator | undefined;
  /** `--enable-bootstrap-token-auth`. Default false. */
  bootstrapTokens?: boolean | undefined;
  /** `--oidc-*`. */
  oidc?: JwtIssuer | undefined;
  /** `--authentication-token-webhook-*`. */
  webhook?: WebhookOptions | undefined;
  /** `--requestheader-*`. */
  requestHeader?: RequestHeaderOptions | undefined;
}

export interface CreateAuthenticationDeps {
  clock: Clock;
  log: ServerLog;
  metrics: AuthenticationMetrics;
  tokens: ServiceAccountTokens | undefined;
  read: ReadObject;
  random: () => number;
  /** See {@link legacyTokens}. */
  markUsed(secret: Secret, day: string): void;
  /** Of the authorization. */
  anonymous: Authorization['anonymous'];
}

export function createAuthentication(deps: CreateAuthenticationDeps, options: AuthenticationOptions): Authentication {
  const { clock, log, metrics, tokens } = deps;
  const serviceAccounts = tokens === undefined ? [] : [legacyTokens({ ...deps, tokens }), tokens];
  const audiences = tokens?.options.audiences ?? [];
  const oidc =
    options.oidc === undefined ? undefined : new OidcAuthenticator(options.oidc, new IssuerKeys(options.oidc, deps), clock);
  const webhook =
    options.webhook === undefined ? undefined : webhookTokens(options.webhook, audiences, { clock, random: deps.random });
  const remembered = (one: TokenAuthenticator | undefined, successMs: number, failureMs = 0): TokenAuthenticator | undefined =>
    one === undefined ? undefined : new TokenCache(one, { successMs, failureMs }, clock, metrics);
  return new Authentication({
    background: async (signal) => await oidc?.run(signal),
    clock,
    log,
    metrics,
    tokens: {
      tokenFile: options.tokenFile,
      serviceAccounts,
      oidc: remembered(oidc, oidcCacheMs),
      webhook: remembered(webhook, options.webhook?.cacheMs ?? 0, options.webhook?.cacheMs),
      bootstrapTokens: options.bootstrapTokens === true ? bootstrapTokens(deps) : undefined,
    },
    audiences,
    requestHeader: options.requestHeader,
    allowsAnonymous: (info) => options.anonymous !== false && (deps.anonymous === 'asked' || isPublic(info)),
  });
}
