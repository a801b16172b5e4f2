/** LocalSubjectAccessReview: whether somebody may do something in one namespace. Source: kubernetes `pkg/registry/authorization/localsubjectaccessreview`. */
import { defineAccessReview } from '../access-reviews.ts';

export const localSubjectAccessReviewKind = defineAccessReview('LocalSubjectAccessReview');
