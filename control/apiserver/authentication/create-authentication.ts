/** Creates the authenticators of one API server by its options. */
import type { Secret } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { isPublic } from '../authorization/authorization.ts';
import type { Authorization } from '../authorization/modes.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { ConfigFile } from '../serving/config-file.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { Authentication } from './authentication.ts';
import type { AuthenticationMetrics } from './authentication-metrics.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import { bootstrapTokens } from './bootstrap-token.ts';
import type { AuthenticationConfiguration } from './config/authentication-configuration.ts';
import { legacyTokens } from './legacy-tokens.ts';
import type { JwtIssuer } from './oidc/jwt-issuer.ts';
import { JwtIssuers } from './oidc/jwt-issuers.ts';
import type { RequestHeaderOptions } from './request-header.ts';
import type { ReadObject, ServiceAccountTokens } from './service-account-tokens.ts';
import { TokenCache } from './token-cache.ts';
import { type WebhookOptions, webhookTokens } from './webhook-token.ts';

/** The options of authentication. */
export interface AuthenticationOptions {
  /** `--anonymous-auth`. Default true. */
  anonymous?: boolean | undefined;
  /** `--token-auth-file`. */
  tokenFile?: TokenAuthenticator | undefined;
  /** `--enable-bootstrap-token-auth`. Default false. */
  bootstrapTokens?: boolean | undefined;
  /** `--oidc-*`. */
  oidc?: JwtIssuer | undefined;
  /** `--authentication-config`. It replaces `oidc` and, if it configures anonymous requests, `anonymous`. */
  configuration?: { initial: AuthenticationConfiguration; file: ConfigFile<AuthenticationConfiguration> } | undefined;
  /** `--authentication-token-webhook-*`. */
  webhook?: WebhookOptions | undefined;
  /** `--requestheader-*`. */
  requestHeader?: RequestHeaderOptions | undefined;
}

/** What {@link createAuthentication} needs. */
export interface CreateAuthenticationDeps {
  clock: Clock;
  log: ServerLog;
  metrics: AuthenticationMetrics;
  tokens: ServiceAccountTokens | undefined;
  read: ReadObject;
  random: () => number;
  /** See {@link legacyTokens}. */
  markUsed(secret: Secret, day: string): void;
  /** The part of authorization that says what anonymous requests may do. */
  anonymous: Authorization['anonymous'];
}

/** Creates the authenticators that the flags ask for, in upstream's order. @throws Error for invalid flags or files */
export function createAuthentication(deps: CreateAuthenticationDeps, options: AuthenticationOptions): Authentication {
  const { clock, log, metrics, tokens } = deps;
  const serviceAccounts = tokens === undefined ? [] : [legacyTokens({ ...deps, tokens }), tokens];
  const audiences = tokens?.options.audiences ?? [];
  const { configuration } = options;
  const issuers = configuration?.initial.issuers ?? (options.oidc === undefined ? [] : [options.oidc]);
  const jwt = issuers.length === 0 && configuration === undefined ? undefined : new JwtIssuers(issuers, deps, metrics);
  const webhook =
    options.webhook === undefined ? undefined : webhookTokens(options.webhook, audiences, { clock, random: deps.random });
  const remembered = (one: TokenAuthenticator | undefined, successMs: number, failureMs = 0): TokenAuthenticator | undefined =>
    one === undefined ? undefined : new TokenCache(one, { successMs, failureMs }, clock, metrics);
  const { enabled, paths } = configuration?.initial.anonymous ?? { enabled: options.anonymous !== false, paths: [] };
  const allows = ({ path }: RequestInfo): boolean => enabled && (paths.length === 0 || paths.includes(path));
  return new Authentication({
    background: async (signal) => {
      await Promise.all([
        jwt?.run(signal),
        configuration?.file.follow(async ({ issuers: next }) => (await jwt?.replace(next, signal)) === true, deps, signal),
      ]);
    },
    clock,
    log,
    metrics,
    tokens: {
      tokenFile: options.tokenFile,
      serviceAccounts,
      oidc: jwt,
      webhook: remembered(webhook, options.webhook?.cacheMs ?? 0, options.webhook?.cacheMs),
      bootstrapTokens: options.bootstrapTokens === true ? bootstrapTokens(deps) : undefined,
    },
    audiences,
    requestHeader: options.requestHeader,
    allowsAnonymous: (info) => allows(info) && (deps.anonymous === 'asked' || isPublic(info)),
  });
}
