/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { rules } from '../parts.testing.ts';

export const samples = {
  'roles.rbac.authorization.k8s.io': { rules: rules.slice(0, 1) },
};
