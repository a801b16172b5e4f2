/**
 * Asks the API server for the user of a token (TokenReview) and for a user's permissions (SubjectAccessReview). Answers are cached for a
 * while, so that known users can use the kubelet's API while the API server cannot be reached.
 *
 * Source: apiserver `plugin/pkg/{authenticator/token,authorizer}/webhook`, `pkg/util/webhook` (WithExponentialBackoff).
 */
import { ApiError } from '#api/status.ts';
import type { SubjectAccessReviewSpec, SubjectAccessReviewStatus, TokenReviewStatus } from '#api/types.generated.ts';
import { AnswerCache } from '#client/answer-cache.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { TransportError } from '#client/transport-error.ts';

/** How long answers are remembered, in milliseconds. */
export interface ReviewTtls {
  /** `--authentication-token-webhook-cache-ttl`. */
  tokenMs: number;
  /** `--authorization-webhook-cache-authorized-ttl`. */
  authorizedMs: number;
  /** `--authorization-webhook-cache-unauthorized-ttl`. */
  unauthorizedMs: number;
}

/** Asks the API server about users, by TokenReview and SubjectAccessReview. */
export interface Reviews {
  /** @throws Error when the API server cannot be asked */
  token(token: string): Promise<TokenReviewStatus>;
  /** @throws Error when the API server cannot be asked */
  access(spec: SubjectAccessReviewSpec): Promise<SubjectAccessReviewStatus>;
}

/** The dependencies of {@link createReviews}. */
export interface ReviewDeps {
  client: Pick<Client, 'reviewToken' | 'reviewAccess'>;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
}

/** As upstream: five attempts; 0.5 s after the first, then 1.5 times as long after each, with 20 % jitter. */
const backoff = { firstMs: 500, factor: 1.5, jitter: 0.2, steps: 5 };

/** Reviews that send their requests with `client`. */
export function createReviews({ client, clock, random }: ReviewDeps, ttls: ReviewTtls): Reviews {
  const tokens = new AnswerCache<TokenReviewStatus>(clock, () => ttls.tokenMs);
  const accesses = new AnswerCache<SubjectAccessReviewStatus>(clock, ({ allowed }) =>
    allowed ? ttls.authorizedMs : ttls.unauthorizedMs,
  );
  const patiently = async <T>(ask: () => Promise<T>): Promise<T> => {
    let waitMs = backoff.firstMs;
    for (let step = 1; ; step++) {
      try {
        return await ask();
      } catch (error) {
        if (step >= backoff.steps || !mayRetry(error)) throw error;
      }
      await sleep(clock, waitMs * (1 + random() * backoff.jitter));
      waitMs *= backoff.factor;
    }
  };
  return {
    token: (token) => tokens.get(token, () => patiently(() => client.reviewToken({ token }))),
    access: (spec) => accesses.get(JSON.stringify(spec), () => patiently(() => client.reviewAccess(spec))),
  };
}

const mayRetry = (error: unknown): boolean =>
  error instanceof TransportError || (error instanceof ApiError && (error.code === 429 || error.code >= 500));
