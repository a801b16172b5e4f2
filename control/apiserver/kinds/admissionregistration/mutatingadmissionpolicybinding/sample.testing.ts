/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { matchResourcesSample, paramRefSample } from '../policy.testing.ts';

export const samples = {
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': {
    spec: {
      policyName: 'limits.example.com',
      paramRef: paramRefSample,
      matchResources: matchResourcesSample,
    },
  },
};
