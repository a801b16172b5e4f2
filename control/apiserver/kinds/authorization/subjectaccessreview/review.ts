/** SubjectAccessReview: whether somebody may do something. Source: kubernetes `pkg/registry/authorization/subjectaccessreview`. */
import { defineAccessReview } from '../access-reviews.ts';

export const subjectAccessReviewKind = defineAccessReview('SubjectAccessReview');
