/** Names of types, groups and tags in the OpenAPI documents. */

/** The type's name in OpenAPI: `core/v1.Pod` → `io.k8s.api.core.v1.Pod`. */
export function openApiName(name: string): string {
  if (name === 'version.Info') return 'io.k8s.apimachinery.pkg.version.Info';
  const [group, type] = name.split('/') as [string, string];
  // A type that is not built in has its whole group, a domain, in its name: `example.com/v1.Gadget` → `com.example.v1.Gadget`.
  if (group.includes('.')) return `${group.split('.').toReversed().join('.')}.${type}`;
  const prefixes: Record<string, string> = {
    meta: 'io.k8s.apimachinery.pkg.apis.meta',
    apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
    apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  };
  return `${prefixes[group] ?? `io.k8s.api.${group}`}.${type}`;
}

/** The tag of a group and version: `apps_v1`. */
export const tagOf = ({ group, version }: { group: string; version: string }): string => `${shortGroup(group)}_${version}`;
/** A group in tags and ids: `rbac.authorization.k8s.io` → `rbacAuthorization`. */
export const shortGroup = (group: string): string => {
  if (group === '') return 'core';
  const [first = '', ...rest] = group.replace(/\.k8s\.io$/, '').split('.');
  return `${first}${rest.map(capital).join('')}`;
};
/** The text with its first letter in upper case. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
