/**
 * Resources that may be used only if a quota covers them (the plugin's configuration). Source: apiserver
 * `pkg/admission/plugin/resourcequota/controller.go` (limitedByDefault, getMatchedLimitedScopes, UncoveredQuotaScopes). Pure.
 */

import type { KubeObject } from '#api/meta.ts';
import type { ResourceList } from '#api/pod/requests.ts';
import { compareQuantity } from '#api/quantity.ts';
import { type Evaluator, scopesOf } from '#api/quota/evaluator.ts';
import type { ResourceQuota, ScopedResourceSelectorRequirement } from '#api/types.generated.ts';
import { type AdmissionAttributes, admissionForbidden } from '../../plugin.ts';

/** One rule of the configuration. */
export interface LimitedResource {
  /** The resource: `pods`, `persistentvolumeclaims`. */
  group: string;
  resource: string;
  /** Substrings of the resource names of quotas, such as `.storageclass.storage.k8s.io/requests.storage`. */
  matchContains: readonly string[];
  /** Objects in one of these scopes need a quota with that scope. */
  matchScopes: readonly ScopedResourceSelectorRequirement[];
}

/** The usage, and the quotas that cover it. */
export interface Covered {
  limited: readonly LimitedResource[];
  evaluator: Evaluator;
  object: KubeObject;
  used: ResourceList;
  /** All quotas of the namespace, and those that match the object. */
  quotas: readonly ResourceQuota[];
  matching: readonly ResourceQuota[];
}

/** @throws ApiError 403 for usage that no quota covers */
export function checkCovered(
  { limited, evaluator, object, used, quotas, matching }: Covered,
  attributes: AdmissionAttributes,
): void {
  const { group, plural } = attributes.resource;
  const parts = limited
    .filter((one) => one.group === group && one.resource === plural)
    .flatMap(({ matchContains }) => matchContains);
  const covered = new Set(matching.flatMap(({ status }) => Object.keys(status?.hard ?? {})));
  const uncovered = Object.entries(used)
    .filter(
      ([name, amount]) => compareQuantity(amount, '0') > 0 && parts.some((part) => name.includes(part)) && !covered.has(name),
    )
    .map(([name]) => name);
  if (uncovered.length > 0) throw admissionForbidden(attributes, `insufficient quota to consume: ${uncovered.sort().join(',')}`);
  const inScope = (scope: ScopedResourceSelectorRequirement): boolean => evaluator.isInScope(scope, object);
  const wanted = limited.flatMap(({ matchScopes }) => matchScopes).filter(inScope);
  const allowed = new Set(
    quotas
      .flatMap(scopesOf)
      .filter(inScope)
      .map(({ scopeName }) => scopeName),
  );
  const open = wanted.filter(({ scopeName }) => !allowed.has(scopeName));
  if (open.length > 0)
    throw admissionForbidden(attributes, `insufficient quota to match these scopes: [${open.map(scopeText).join(' ')}]`);
}

/** As Go prints the structure. */
const scopeText = ({ scopeName, operator, values = [] }: ScopedResourceSelectorRequirement): string =>
  `{${scopeName} ${operator} [${values.join(' ')}]}`;
