/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { webhookSample } from '../webhook.testing.ts';

export const samples = {
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': {
    webhooks: [{ ...webhookSample, reinvocationPolicy: 'IfNeeded' }],
  },
};
