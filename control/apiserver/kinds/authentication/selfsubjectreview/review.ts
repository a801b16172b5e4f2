/**
 * SelfSubjectReview: as which user the server has authenticated the client. Source: kubernetes
 * `pkg/registry/authentication/selfsubjectreview`.
 */
import { rfc3339 } from '#api/meta.ts';
import { defineReview, wireUser } from '../../define-review.ts';

/** Answers with the user that authentication (and impersonation) found; nothing is stored. */
export const selfSubjectReviewKind = defineReview({
  kind: 'SelfSubjectReview',
  answer: async ({ parts, user }) => ({
    metadata: { creationTimestamp: rfc3339(parts.clock.now()) },
    status: { userInfo: wireUser(user) },
  }),
});
