/** Terms of pod affinity and anti-affinity, compiled to functions that match pods. */
import { labelMatcher, matchesLabels, SelectorError } from '#api/selector.ts';
import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '#api/types.generated.ts';

/** One compiled term. Terms that say the same are the same object, whichever pods have them. */
export interface AffinityTerm {
  /** Equal for terms that select the same pods by the same topology key. */
  readonly key: string;
  readonly topologyKey: string;
  /** The only namespace that the term selects; undefined when it may select pods of several. */
  readonly namespace: string | undefined;
  /** Whether the labels of namespaces decide. */
  readonly readsNamespaceLabels: boolean;
  matches(pod: Pod, lookups: NamespaceLookup): boolean;
}

/** A preferred term. */
export interface WeightedTerm {
  readonly term: AffinityTerm;
  /** Negative for anti-affinity. */
  readonly weight: number;
}

/** Where terms look up the labels of namespaces. */
export interface NamespaceLookup {
  /** The labels of a namespace; empty when it is not known. */
  namespaceLabels(namespace: string): Readonly<Record<string, string>>;
}

/** The required affinity terms of the pod. */
export const requiredAffinity = (pod: Pod): AffinityTerm[] =>
  compileAll(pod, pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution);

/** The required anti-affinity terms of the pod. */
export const requiredAntiAffinity = (pod: Pod): AffinityTerm[] =>
  compileAll(pod, pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution);

/** The preferred affinity and anti-affinity terms of the pod. */
export function preferredTerms(pod: Pod): WeightedTerm[] {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  return [
    ...compileWeighted(pod, podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, 1),
    ...compileWeighted(pod, podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, -1),
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

/** Terms compiled before, by their text. Pods of one template have the same terms. */
const compiled = new Map<string, AffinityTerm | undefined>();
const maxCompiled = 10_000;

function compileAll(owner: Pod, terms: readonly PodAffinityTerm[] | undefined): AffinityTerm[] {
  return terms === undefined ? [] : terms.flatMap((term) => compileTerm(owner, term) ?? []);
}

function compileWeighted(owner: Pod, terms: readonly WeightedPodAffinityTerm[] | undefined, sign: 1 | -1): WeightedTerm[] {
  return (terms ?? []).flatMap(({ weight, podAffinityTerm }) => {
    const term = compileTerm(owner, podAffinityTerm);
    return term === undefined ? [] : [{ term, weight: sign * weight }];
  });
}

/**
 * Compiles a term. Undefined when its selector is malformed: such a term of a pod that is placed already is ignored, so that
 * other pods can be scheduled. For a pod to place, {@link affinityProblem} reports it.
 */
function compileTerm(owner: Pod, term: PodAffinityTerm): AffinityTerm | undefined {
  const named = [...(term.namespaces ?? [])];
  // Without names and without a selector of namespaces, the term applies to the namespace of its own pod.
  if (named.length === 0 && term.namespaceSelector === undefined) named.push(owner.metadata.namespace ?? '');
  const key = JSON.stringify([term.topologyKey, named, term.labelSelector, term.namespaceSelector]);
  if (compiled.has(key)) return compiled.get(key);
  if (compiled.size >= maxCompiled) compiled.clear();
  const made = selectorProblem(term) === undefined ? makeTerm(key, term, named) : undefined;
  compiled.set(key, made);
  return made;
}

function makeTerm(key: string, term: PodAffinityTerm, named: readonly string[]): AffinityTerm {
  // The selector includes matchLabelKeys and mismatchLabelKeys already: the API server merges them into it (KEP-3633).
  const selector = labelMatcher(term.labelSelector);
  const names = new Set(named);
  const namespaces = labelMatcher(term.namespaceSelector);
  const readsNamespaceLabels = term.namespaceSelector !== undefined;
  return {
    key,
    topologyKey: term.topologyKey,
    namespace: !readsNamespaceLabels && named.length === 1 ? named[0] : undefined,
    readsNamespaceLabels,
    matches({ metadata }, { namespaceLabels }) {
      const namespace = metadata.namespace ?? '';
      return (
        (names.has(namespace) || (readsNamespaceLabels && matchesLabels(namespaces, namespaceLabels(namespace)))) &&
        matchesLabels(selector, metadata.labels)
      );
    },
  };
}
