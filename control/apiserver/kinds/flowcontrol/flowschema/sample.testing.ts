/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'flowschemas.flowcontrol.apiserver.k8s.io': {
    spec: {
      priorityLevelConfiguration: { name: 'exempt' },
      matchingPrecedence: 7,
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [
            { kind: 'User', user: { name: 'jane' } },
            { kind: 'Group', group: { name: 'dev' } },
            { kind: 'ServiceAccount', serviceAccount: { namespace: 'ns', name: '*' } },
          ],
          resourceRules: [
            { verbs: ['get'], apiGroups: ['apps'], resources: ['deployments'], namespaces: ['ns'], clusterScope: true },
          ],
          nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/metrics', '/logs/*'] }],
        },
      ],
    },
    status: {
      conditions: [
        { type: 'Dangling', status: 'False', reason: 'Found', message: 'there', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    },
  },
};
