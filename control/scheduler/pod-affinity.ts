/** Terms of pod affinity and anti-affinity: which pods they mean. */
import { labelMatcher, matchesLabels } from '#api/selector.ts';
import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '#api/types.generated.ts';
import type { SnapshotLookups } from './snapshot.ts';

export interface AffinityTerm {
  topologyKey: string;
  /** Negative for anti-affinity; 0 for required terms. */
  weight: number;
  matches(pod: Pod): boolean;
}

type Lookups = Pick<SnapshotLookups, 'namespaceLabels'>;

export const requiredAffinity = (pod: Pod, lookups: Lookups): AffinityTerm[] =>
  (pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) =>
    affinityTerm(pod, term, 0, lookups),
  );

export const requiredAntiAffinity = (pod: Pod, lookups: Lookups): AffinityTerm[] =>
  (pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((term) =>
    affinityTerm(pod, term, 0, lookups),
  );

/** Preferred terms of both kinds. */
export function preferredTerms(pod: Pod, lookups: Lookups): AffinityTerm[] {
  const weighted = (sign: 1 | -1) => (term: WeightedPodAffinityTerm) =>
    affinityTerm(pod, term.podAffinityTerm, sign * term.weight, lookups);
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  return [
    ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(weighted(1)),
    ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(weighted(-1)),
  ];
}

function affinityTerm(owner: Pod, term: PodAffinityTerm, weight: number, { namespaceLabels }: Lookups): AffinityTerm {
  // matchLabelKeys and mismatchLabelKeys are in it already: the API server puts them there (KEP-3633).
  const selector = labelMatcher(term.labelSelector);
  const named = new Set(term.namespaces ?? []);
  // Neither names nor a selector: the namespace of the pod that has the term.
  if (named.size === 0 && term.namespaceSelector === undefined) named.add(owner.metadata.namespace ?? '');
  const namespaces = labelMatcher(term.namespaceSelector);
  return {
    topologyKey: term.topologyKey,
    weight,
    matches({ metadata }) {
      const namespace = metadata.namespace ?? '';
      return (
        matchesLabels(selector, metadata.labels) &&
        (named.has(namespace) || matchesLabels(namespaces, namespaceLabels(namespace)))
      );
    },
  };
}
