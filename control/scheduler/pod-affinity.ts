/** Terms of pod affinity and anti-affinity: which pods they mean. */
import { labelMatcher, matchesLabels, SelectorError } from '#api/selector.ts';
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
  (pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap((term) =>
    affinityTerm(pod, term, 0, lookups),
  );

export const requiredAntiAffinity = (pod: Pod, lookups: Lookups): AffinityTerm[] =>
  (pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap((term) =>
    affinityTerm(pod, term, 0, lookups),
  );

/** Preferred terms of both kinds. */
export function preferredTerms(pod: Pod, lookups: Lookups): AffinityTerm[] {
  const weighted = (sign: 1 | -1) => (term: WeightedPodAffinityTerm) =>
    affinityTerm(pod, term.podAffinityTerm, sign * term.weight, lookups);
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  return [
    ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(weighted(1)),
    ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(weighted(-1)),
  ];
}

/** The first term whose selector does not parse, in upstream's words; undefined: all do. */
export function affinityProblem({ spec }: Pod): string | undefined {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const lists: [string, readonly (PodAffinityTerm | WeightedPodAffinityTerm)[] | undefined][] = [
    ['preferredAffinityTerms', podAffinity?.preferredDuringSchedulingIgnoredDuringExecution],
    ['preferredAntiAffinityTerms', podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution],
    ['requiredAffinityTerms', podAffinity?.requiredDuringSchedulingIgnoredDuringExecution],
    ['requiredAntiAffinityTerms', podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution],
  ];
  for (const [list, terms] of lists) {
    for (const term of terms ?? []) {
      const why = selectorProblem('podAffinityTerm' in term ? term.podAffinityTerm : term);
      if (why !== undefined) return `${list}: ${why}`;
    }
  }
  return undefined;
}

function selectorProblem({ labelSelector, namespaceSelector }: PodAffinityTerm): string | undefined {
  try {
    labelMatcher(labelSelector);
    labelMatcher(namespaceSelector);
    return undefined;
  } catch (error) {
    if (error instanceof SelectorError) return error.message;
    throw error;
  }
}

/**
 * None where a selector does not parse: of pods that are placed already such a term counts for nothing, so that others are scheduled;
 * a pod to be placed is refused by {@link affinityProblem}.
 */
function affinityTerm(owner: Pod, term: PodAffinityTerm, weight: number, lookups: Lookups): AffinityTerm[] {
  return selectorProblem(term) === undefined ? [compileTerm(owner, term, weight, lookups)] : [];
}

function compileTerm(owner: Pod, term: PodAffinityTerm, weight: number, { namespaceLabels }: Lookups): AffinityTerm {
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
