/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { binding } from '../parts.testing.ts';

export const samples = {
  'clusterrolebindings.rbac.authorization.k8s.io': binding,
};
