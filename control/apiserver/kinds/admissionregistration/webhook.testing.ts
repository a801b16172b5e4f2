/** A webhook with nearly every field. */
export const webhookSample = {
  name: 'check.pods.example.com',
  admissionReviewVersions: ['v1'],
  clientConfig: { service: { name: 'hook', namespace: 'default', path: '/check', port: 8443 } },
  sideEffects: 'None',
  failurePolicy: 'Fail',
  matchPolicy: 'Exact',
  timeoutSeconds: 5,
  namespaceSelector: { matchLabels: { checked: 'yes' } },
  objectSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
  rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], scope: 'Namespaced' }],
  matchConditions: [{ name: 'not-system', expression: '!request.userInfo.username.startsWith("system:")' }],
};
