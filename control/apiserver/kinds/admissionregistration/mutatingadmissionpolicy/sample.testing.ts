/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { policySpecSample } from '../policy.testing.ts';

export const samples = {
  'mutatingadmissionpolicies.admissionregistration.k8s.io': {
    spec: {
      ...policySpecSample,
      reinvocationPolicy: 'IfNeeded',
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: variables.limit}}' },
        },
        { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/spec/replicas"}]' } },
      ],
    },
  },
};
