/**
 * `--authentication-token-webhook-config-file`: another server authenticates tokens by TokenReviews.
 *
 * Source: apiserver `plugin/pkg/authenticator/token/webhook`, `pkg/util/webhook`; kubernetes.io, Webhook Token Authentication.
 */
import { errorText } from '#api/error-text.ts';
import type { TokenReview } from '#api/types.generated.ts';
import type { HttpTransportOptions } from '#client/http-transport.ts';
import { OutsideError } from '#client/outside-request.ts';
import { askReview, type ReviewDeps } from '#client/review-webhook.ts';
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
  /** From the kubeconfig file. Reviews are sent to this URL, with its path. */
  config: Omit<HttpTransportOptions, 'clock' | 'tokenFile'>;
  /** `--authentication-token-webhook-version`. */
  version: 'v1' | 'v1beta1';
  /** `--authentication-token-webhook-cache-ttl`, in milliseconds. */
  cacheMs: number;
}

/** @param implicit `--api-audiences`: the audiences of an answer that names none */
export function webhookTokens(
  { config, version }: Pick<WebhookOptions, 'config' | 'version'>,
  implicit: readonly string[],
  deps: ReviewDeps,
): TokenAuthenticator {
  return {
    async authenticateToken(token, context) {
      const { audiences } = context;
      const object = {
        kind: 'TokenReview',
        apiVersion: `authentication.k8s.io/${version}`,
        metadata: { creationTimestamp: null },
        spec: { token, ...(audiences.length === 0 ? {} : { audiences: [...audiences] }) },
        status: { user: {} },
      };
      let status: Partial<ReviewStatus>;
      try {
        status = await askReview({ config, object }, deps);
      } catch (error) {
        if (!(error instanceof OutsideError)) throw error;
        throw new AuthenticationError(`the webhook could not be asked: ${error.message}`, { cause: error });
      }
      return verdict(status, context, implicit);
    },
  };
}

type ReviewStatus = Exclude<TokenReview['status'], undefined>;

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
