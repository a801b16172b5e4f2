/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richClaim } from '../resourceclaim/sample.testing.ts';

export const samples = {
  'resourceclaimtemplates.resource.k8s.io': { spec: { metadata: { labels: { a: 'b' } }, spec: richClaim } },
};
