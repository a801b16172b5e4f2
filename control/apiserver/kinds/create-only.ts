/** The kinds that are not stored: one import and one line per room. They are always served. */
import type { CreateOnlyKind } from '../rest/create-only.ts';
import { selfSubjectReviewKind } from './authentication/selfsubjectreview/review.ts';
import { tokenReviewKind } from './authentication/tokenreview/review.ts';
import { localSubjectAccessReviewKind } from './authorization/localsubjectaccessreview/review.ts';
import { selfSubjectAccessReviewKind } from './authorization/selfsubjectaccessreview/review.ts';
import { selfSubjectRulesReviewKind } from './authorization/selfsubjectrulesreview/review.ts';
import { subjectAccessReviewKind } from './authorization/subjectaccessreview/review.ts';
import { bindingKind } from './core/binding/binding.ts';

/** All create-only kinds. */
export const createOnlyKinds: readonly CreateOnlyKind[] = [
  bindingKind,
  localSubjectAccessReviewKind,
  selfSubjectAccessReviewKind,
  selfSubjectReviewKind,
  selfSubjectRulesReviewKind,
  subjectAccessReviewKind,
  tokenReviewKind,
];
