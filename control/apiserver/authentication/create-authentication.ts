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
import type { RequestHeaderOptions } from './request-header.ts';
import type { ReadObject, ServiceAccountTokens } from './service-account-tokens.ts';

/** What may be chosen about authentication. */
export interface AuthenticationOptions {
  /** `--anonymous-auth`. Default true. */
  anonymous?: boolean | undefined;
  /** `--token-auth-file`. */
  tokenFile?: TokenAuthenticator | undefined;
  /** `--enable-bootstrap-token-auth`. Default false. */
  bootstrapTokens?: boolean | undefined;
  /** `--requestheader-*`. */
  requestHeader?: RequestHeaderOptions | undefined;
}

export interface CreateAuthenticationDeps {
  clock: Clock;
  log: ServerLog;
  metrics: AuthenticationMetrics;
  tokens: ServiceAccountTokens | undefined;
  read: ReadObject;
  /** See {@link legacyTokens}. */
  markUsed(secret: Secret, day: string): void;
  /** Of the authorization. */
  anonymous: Authorization['anonymous'];
}

export function createAuthentication(deps: CreateAuthenticationDeps, options: AuthenticationOptions): Authentication {
  const { clock, log, metrics, tokens } = deps;
  const serviceAccounts = tokens === undefined ? [] : [legacyTokens({ ...deps, tokens }), tokens];
  return new Authentication({
    clock,
    log,
    metrics,
    tokens: {
      tokenFile: options.tokenFile,
      serviceAccounts,
      bootstrapTokens: options.bootstrapTokens === true ? bootstrapTokens(deps) : undefined,
    },
    audiences: tokens?.options.audiences ?? [],
    requestHeader: options.requestHeader,
    allowsAnonymous: (info) => options.anonymous !== false && (deps.anonymous === 'asked' || isPublic(info)),
  });
}
