/** SubjectAccessReview: whether somebody may do something. Source: kubernetes `pkg/registry/authorization/subjectaccessreview`. */
import { defineAccessReview } from '../access-reviews.ts';

/** Asks the authorizers about any user, in any namespace or outside of all. */
export const subjectAccessReviewKind = defineAccessReview('SubjectAccessReview');
