/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { rules } from '../parts.testing.ts';

export const samples = {
  'clusterroles.rbac.authorization.k8s.io': {
    rules,
    aggregationRule: {
      clusterRoleSelectors: [{ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] }],
    },
  },
};
