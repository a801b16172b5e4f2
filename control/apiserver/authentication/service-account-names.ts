/** The user names of service accounts. Source: apiserver `pkg/authentication/serviceaccount/util.go`. */

/** The namespace and name in `system:serviceaccount:<namespace>:<name>`. */
export function splitServiceAccount(user: string): { namespace: string; name: string } | undefined {
  const [system, kind, namespace, name, ...more] = user.split(':');
  if (system !== 'system' || kind !== 'serviceaccount' || namespace === undefined || name === undefined || more.length > 0)
    return undefined;
  return { namespace, name };
}

/** The groups of every service account of a namespace. */
export const serviceAccountGroups = (namespace: string): string[] => [
  'system:serviceaccounts',
  `system:serviceaccounts:${namespace}`,
];
