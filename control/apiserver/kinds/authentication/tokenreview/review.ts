/** TokenReview: to which user a token belongs. Source: kubernetes `pkg/registry/authentication/tokenreview`. */
import type { JsonObject } from '#api/json.ts';
import { badRequest } from '#api/status.ts';
import type { TokenReview } from '#api/types.generated.ts';
import type { CreateOnlyExchange } from '../../../rest/create-only.ts';
import { defineReview, wireUser } from '../../define-review.ts';

/**
 * Answers whether the token is valid, and to whom it belongs. Nothing is stored. A token that is not valid is no error of the
 * request: the status says so.
 */
export const tokenReviewKind = defineReview({
  kind: 'TokenReview',
  answer: async (exchange, asked) => ({ status: await reviewToken(exchange, asked as unknown as TokenReview) }),
});

async function reviewToken({ parts }: CreateOnlyExchange, { spec }: TokenReview): Promise<JsonObject> {
  if ((spec?.token ?? '') === '') throw badRequest('token is required for TokenReview in authentication');
  const verdict = await parts.authentication.review(spec.token ?? '', spec.audiences ?? []);
  if ('error' in verdict) return { user: {}, error: verdict.error };
  const { user, audiences } = verdict;
  return { authenticated: true, user: wireUser(user), ...(audiences.length === 0 ? {} : { audiences: [...audiences] }) };
}
