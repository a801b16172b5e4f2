/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { policySpecSample } from '../policy.testing.ts';

export const samples = {
  'validatingadmissionpolicies.admissionregistration.k8s.io': {
    spec: {
      ...policySpecSample,
      validations: [
        {
          expression: 'object.spec.replicas <= variables.limit',
          message: 'too many',
          messageExpression: '"more than " + string(variables.limit)',
          reason: 'Forbidden',
        },
      ],
      auditAnnotations: [{ key: 'replicas', valueExpression: 'string(object.spec.replicas)' }],
    },
    status: {
      observedGeneration: 1,
      typeChecking: { expressionWarnings: [{ fieldRef: 'spec.validations[0].expression', warning: 'undefined field' }] },
      conditions: [
        { type: 'Checked', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'Done', message: 'it is done' },
      ],
    },
  },
};
