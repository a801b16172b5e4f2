/** SelfSubjectAccessReview: whether the client itself may do something. Source: kubernetes `pkg/registry/authorization/selfsubjectaccessreview`. */
import { defineAccessReview } from '../access-reviews.ts';

/** Asks the authorizers about the user of the request itself (`kubectl auth can-i`). */
export const selfSubjectAccessReviewKind = defineAccessReview('SelfSubjectAccessReview');
