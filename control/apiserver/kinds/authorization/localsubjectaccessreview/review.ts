/** LocalSubjectAccessReview: whether somebody may do something in one namespace. Source: kubernetes `pkg/registry/authorization/localsubjectaccessreview`. */
import { defineAccessReview } from '../access-reviews.ts';

/** Asks the authorizers about any user; the namespace of the question must be that of the request. */
export const localSubjectAccessReviewKind = defineAccessReview('LocalSubjectAccessReview');
