/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richSelector as selector, richTemplate as template } from '../../core/pod/sample.testing.ts';

export const samples = {
  'daemonsets.apps': {
    spec: { selector, template, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '1%' } } },
  },
};
