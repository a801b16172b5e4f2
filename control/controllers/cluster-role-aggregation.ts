/**
 * ClusterRole aggregation controller: sets the rules of a ClusterRole with an aggregationRule to the rules of all ClusterRoles that its
 * selectors match.
 *
 * Owns: nothing.  Watches: ClusterRole.  Writes: rules of ClusterRoles with an aggregationRule.
 * Source: kubernetes.io, Aggregated ClusterRoles; kubernetes `pkg/controller/clusterroleaggregation`.
 */
import type { JsonValue } from '#api/json.ts';
import { sameJson } from '#api/meta.ts';
import { selectsLabels } from '#api/selector.ts';
import type { ClusterRole, PolicyRule } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';

const id = 'clusterroles.rbac.authorization.k8s.io';

/** Makes the ClusterRole aggregation controller. */
export const clusterRoleAggregationController = ({ client, caches }: ControllerDeps): Controller => ({
  name: 'clusterrole-aggregation-controller',
  // A changed role may match, or have matched, any aggregated role.
  watches: [{ resource: id, keys: (_role, _previous, { cache }) => aggregates(cache(id).list()) }],

  async reconcile(name) {
    const role = caches.cache(id).get(name);
    if (role?.aggregationRule === undefined) return done;
    const rules = aggregatedRules(role, caches.cache(id).list());
    if (sameJson(rules, role.rules ?? [])) return done;
    const body = { apiVersion: role.apiVersion, kind: role.kind, metadata: { name }, rules } as unknown as JsonValue;
    await client
      .resource(id)
      .patch({ name }, { type: 'apply', body, fieldManager: 'clusterrole-aggregation-controller', force: true });
    return done;
  },
});

function aggregates(roles: readonly ClusterRole[]): string[] {
  return roles.filter(({ aggregationRule }) => aggregationRule !== undefined).map(({ metadata }) => metadata.name);
}

/** The rules without duplicates, ordered by selector and then by role name. Pure. */
export function aggregatedRules(role: ClusterRole, roles: readonly ClusterRole[]): PolicyRule[] {
  const byName = roles.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const rules = new Map<string, PolicyRule>();
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    for (const { metadata, rules: own = [] } of byName) {
      if (metadata.name === role.metadata.name || !selectsLabels(selector, metadata.labels)) continue;
      for (const rule of own) if (!rules.has(keyOf(rule))) rules.set(keyOf(rule), rule);
    }
  }
  return [...rules.values()];
}

/** Absent and empty lists are the same. */
const keyOf = ({ verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule): string =>
  JSON.stringify([verbs, apiGroups, resources, resourceNames, nonResourceURLs]);
