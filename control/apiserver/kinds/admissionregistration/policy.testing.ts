/** Match resources with nearly every field. */
export const matchResourcesSample = {
  matchPolicy: 'Exact',
  namespaceSelector: { matchLabels: { checked: 'yes' } },
  objectSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
  resourceRules: [
    {
      operations: ['CREATE'],
      apiGroups: [''],
      apiVersions: ['v1'],
      resources: ['pods'],
      scope: 'Namespaced',
      resourceNames: ['a'],
    },
  ],
  excludeResourceRules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], scope: '*' }],
};

/** What policies of both kinds have. */
export const policySpecSample = {
  failurePolicy: 'Ignore',
  paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
  matchConstraints: matchResourcesSample,
  matchConditions: [{ name: 'not-system', expression: '!request.userInfo.username.startsWith("system:")' }],
  variables: [{ name: 'limit', expression: 'int(params.data.limit)' }],
};

/** A reference to parameters, with what a reference by name and one by labels have. */
export const paramRefSample = {
  name: 'limits',
  namespace: 'default',
  selector: { matchLabels: { limits: 'yes' } },
  parameterNotFoundAction: 'Deny',
};
