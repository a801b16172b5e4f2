/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  resourcequotas: {
    spec: {
      hard: { pods: '3', 'requests.cpu': '1' },
      scopes: ['NotTerminating'],
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
    },
    status: { hard: { pods: '3' }, used: { pods: '1' } },
  },
};
