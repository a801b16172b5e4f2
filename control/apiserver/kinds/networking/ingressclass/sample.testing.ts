/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const parameters = { apiGroup: 'example.com', kind: 'Config', name: 'small', scope: 'Namespace', namespace: 'ns' };

export const samples = { 'ingressclasses.networking.k8s.io': { spec: { controller: 'example.com/proxy', parameters } } };
