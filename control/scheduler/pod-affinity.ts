/** Terms of pod affinity and anti-affinity, compiled to functions that match pods. */
import { labelMatcher, matchesLabels, SelectorError } from '#api/selector.ts';
import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '#api/types.generated.ts';
import type { SnapshotLookups } from './snapshot.ts';

/** One compiled term. */
export interface AffinityTerm {
  topologyKey: string;
  /** The weight; negative for anti-affinity, 0 for required terms. */
  weight: number;
  matches(pod: Pod): boolean;
}

type Lookups = Pick<SnapshotLookups, 'namespaceLabels'>;

/** The required affinity terms of the pod. */
export const requiredAffinity = (pod: Pod, lookups: Lookups): AffinityTerm[] =>
  (pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap((term) =>
    affinityTerm(pod, term, 0, lookups),
  );

/** The required anti-affinity terms of the pod. */
export const requiredAntiAffinity = (pod: Pod, lookups: Lookups): AffinityTerm[] =>
  (pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).flatMap((term) =>
    affinityTerm(pod, term, 0, lookups),
  );

/** The preferred affinity and anti-affinity terms of the pod. */
export function preferredTerms(pod: Pod, lookups: Lookups): AffinityTerm[] {
  const weighted = (sign: 1 | -1) => (term: WeightedPodAffinityTerm) =>
    affinityTerm(pod, term.podAffinityTerm, sign * term.weight, lookups);
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  return [
    ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(weighted(1)),
    ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(weighted(-1)),
  ];
}

/** The error of the first term whose selector is malformed, in upstream's words. Undefined when all parse. */
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
 * Compiles a term. Returns no term when its selector is malformed: such a term of a pod that is placed already is ignored, so
 * that other pods can be scheduled. For a pod to place, {@link affinityProblem} reports it.
 */
function affinityTerm(owner: Pod, term: PodAffinityTerm, weight: number, lookups: Lookups): AffinityTerm[] {
  return selectorProblem(term) === undefined ? [compileTerm(owner, term, weight, lookups)] : [];
}

function compileTerm(owner: Pod, term: PodAffinityTerm, weight: number, { namespaceLabels }: Lookups): AffinityTerm {
  // The selector includes matchLabelKeys and mismatchLabelKeys already: the API server merges them into it (KEP-3633).
  const selector = labelMatcher(term.labelSelector);
  const named = new Set(term.namespaces ?? []);
  // Without names and without a selector of namespaces, the term applies to the namespace of its own pod.
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
