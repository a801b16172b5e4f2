/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richTemplate as template } from '../pod/sample.testing.ts';

export const samples = {
  podtemplates: { template },
};
