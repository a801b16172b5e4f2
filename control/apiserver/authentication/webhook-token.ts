/**
 * `--authentication-token-webhook-config-file`: another server is asked about tokens, with a TokenReview.
 *
 * Source: apiserver `plugin/pkg/authenticator/token/webhook`, `pkg/util/webhook`; kubernetes.io, Webhook Token Authentication.
 */
import { errorText } from '#api/error-text.ts';
import type { TokenReview } from '#api/types.generated.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { HttpTransportOptions } from '#client/http-transport.ts';
import { askOutside, OutsideError, type OutsideRequest } from '#client/outside-request.ts';
import type { UserInfo } from '../registry/strategy.ts';
import {
  type Authenticated,
  AuthenticationError,
  commonAudiences,
  type TokenAuthenticator,
  type TokenContext,
} from './authenticator.ts';

/** The flags `--authentication-token-webhook-*`. */
export interface WebhookOptions {
  /** Of the kubeconfig file: the URL is where the review goes, path and all. */
  config: Omit<HttpTransportOptions, 'clock' | 'tokenFile'>;
  /** `--authentication-token-webhook-version`. */
  version: 'v1' | 'v1beta1';
  /** `--authentication-token-webhook-cache-ttl`, in milliseconds. */
  cacheMs: number;
}

/** Upstream's: five times in all, 0.5 s after the first, 1.5 times as long after each, and a fifth more by chance. */
const backoff = { firstMs: 500, factor: 1.5, jitter: 0.2, steps: 5 };

interface WebhookDeps {
  clock: Clock;
  random: () => number;
  ask?: typeof askOutside;
}

/** @param implicit `--api-audiences`: what an answer without audiences is good for */
export function webhookTokens(
  { config, version }: Pick<WebhookOptions, 'config' | 'version'>,
  implicit: readonly string[],
  { clock, random, ask = askOutside }: WebhookDeps,
): TokenAuthenticator {
  const apiVersion = `authentication.k8s.io/${version}`;
  return {
    async authenticateToken(token, context) {
      const { audiences } = context;
      const spec = { token, ...(audiences.length === 0 ? {} : { audiences }) };
      const body = JSON.stringify({
        kind: 'TokenReview',
        apiVersion,
        metadata: { creationTimestamp: null },
        spec,
        status: { user: {} },
      });
      const headers = {
        'content-type': 'application/json',
        ...(config.token === undefined ? {} : { authorization: `Bearer ${config.token}` }),
      };
      const { ca, cert, key, tlsServerName, insecureSkipTlsVerify } = config;
      const tls = { ca, cert, key, tlsServerName, insecureSkipTlsVerify };
      const request: OutsideRequest = { url: config.server, method: 'POST', headers, body, ...tls };
      return verdict(statusIn(await asked(request, { clock, random, ask }), apiVersion), context, implicit);
    },
  };
}

/** @throws AuthenticationError when the last of several tries has failed */
async function asked(request: OutsideRequest, { clock, random, ask }: Required<WebhookDeps>): Promise<string> {
  let waitMs = backoff.firstMs;
  for (let step = 1; ; step++) {
    try {
      return await ask(request);
    } catch (error) {
      if (!(error instanceof OutsideError)) throw error;
      if (!error.mayRetry || step >= backoff.steps)
        throw new AuthenticationError(`the webhook could not be asked: ${error.message}`, { cause: error });
      await sleep(clock, waitMs * (1 + random() * backoff.jitter));
      waitMs *= backoff.factor;
    }
  }
}

type ReviewStatus = Exclude<TokenReview['status'], undefined>;

/** @throws AuthenticationError where the answer is no TokenReview */
function statusIn(text: string, apiVersion: string): Partial<ReviewStatus> {
  let review: Partial<TokenReview> | null;
  try {
    review = JSON.parse(text) as Partial<TokenReview> | null;
  } catch (error) {
    throw new AuthenticationError(`the webhook's answer is not JSON`, { cause: error });
  }
  if (review?.kind !== 'TokenReview' || review.apiVersion !== apiVersion)
    throw new AuthenticationError(`the webhook's answer is no TokenReview of ${apiVersion}`);
  const status: unknown = review.status ?? {};
  if (typeof status !== 'object' || status === null) throw new AuthenticationError("the webhook's answer has no status");
  return status;
}

function verdict(
  { authenticated, error = '', user, audiences: given }: Partial<ReviewStatus>,
  { audiences }: TokenContext,
  implicit: readonly string[],
): Authenticated | undefined {
  const good = commonAudiences(audiences, listOf(given).length > 0 ? listOf(given) : implicit);
  if (audiences.length > 0 && good.length === 0) return undefined;
  if (authenticated !== true) {
    if (error !== '') throw new AuthenticationError(errorText(error));
    return undefined;
  }
  return { user: userOf(user), audiences: good };
}

const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);

/** The user in the webhook's answer; fields of wrong types are ignored. */
function userOf(user: ReviewStatus['user']): UserInfo {
  const { username, uid, groups, extra } = (user ?? {}) as Record<string, unknown>;
  const entries = typeof extra === 'object' && extra !== null ? Object.entries(extra) : [];
  return {
    name: typeof username === 'string' ? username : '',
    ...(typeof uid === 'string' && uid !== '' ? { uid } : {}),
    groups: listOf(groups),
    extra: Object.fromEntries(entries.map(([key, value]) => [key, listOf(value)])),
  };
}
