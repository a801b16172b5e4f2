/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'apiservices.apiregistration.k8s.io': {
    spec: {
      group: 'wardle.example.com',
      version: 'v1alpha1',
      groupPriorityMinimum: 2000,
      versionPriority: 200,
      caBundle: '',
      insecureSkipTLSVerify: true,
      service: { namespace: 'default', name: 'sample-api', port: 7443 },
    },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'Passed', message: 'all checks passed' }] },
  },
};
