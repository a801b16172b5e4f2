/** SelfSubjectRulesReview: all that the client may do. Source: kubernetes `pkg/registry/authorization/selfsubjectrulesreview`. */
import type { JsonObject } from '#api/json.ts';
import { badRequest } from '#api/status.ts';
import type { SelfSubjectRulesReview } from '#api/types.generated.ts';
import { defineReview } from '../../define-review.ts';

/** Lists the rules of the user of the request in one namespace (`kubectl auth can-i --list`). */
export const selfSubjectRulesReviewKind = defineReview({
  kind: 'SelfSubjectRulesReview',
  async answer({ parts, user }, asked) {
    const namespace = (asked as unknown as SelfSubjectRulesReview).spec?.namespace ?? '';
    if (namespace === '') throw badRequest('no namespace on request');
    // As upstream, the answer does not repeat the spec of the question.
    return { spec: {}, status: (await parts.authorizer.rules(user, namespace)) as unknown as JsonObject };
  },
});
