/** For the samples of roles and bindings. */
export const rules = [
  { verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['p'] },
  { verbs: ['get'], nonResourceURLs: ['/x'] },
];
export const binding = {
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'r' },
  subjects: [
    { kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' },
    { kind: 'ServiceAccount', name: 's', namespace: 'n' },
  ],
};
