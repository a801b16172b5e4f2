/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richTemplate as template } from '../../core/pod/sample.testing.ts';

export const samples = {
  'controllerrevisions.apps': { data: { spec: { template } }, revision: 1 },
};
