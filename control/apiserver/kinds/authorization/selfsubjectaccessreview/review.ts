/** SelfSubjectAccessReview: whether the client itself may do something. Source: kubernetes `pkg/registry/authorization/selfsubjectaccessreview`. */
import { defineAccessReview } from '../access-reviews.ts';

export const selfSubjectAccessReviewKind = defineAccessReview('SelfSubjectAccessReview');
