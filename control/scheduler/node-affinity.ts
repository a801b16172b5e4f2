/** nodeSelector and node affinity: which nodes a pod demands, and which it prefers. */
import { labelMatcherOf, labelRequirement, matchesLabels, SelectorError } from '#api/selector.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, Pod } from '#api/types.generated.ts';
import type { NodeInfo } from './node-info.ts';

/** Whether a node is among those that the pod demands. Prepared once per pod. */
export function requiredNodeAffinity({ spec }: Pod): (info: NodeInfo) => boolean {
  const wanted = Object.entries(spec.nodeSelector ?? {});
  const selector = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = selector?.nodeSelectorTerms.map(nodeSelectorTerm);
  return (info) => {
    if (!wanted.every(([key, value]) => info.labels[key] === value)) return false;
    return terms === undefined || terms.some((matches) => matches(info));
  };
}

/** Whether a node meets a term. An empty term, and one that cannot be read, meets no node. */
export function nodeSelectorTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): (info: NodeInfo) => boolean {
  if (matchExpressions.length === 0 && matchFields.length === 0) return () => false;
  const labels = labelsMatcher(matchExpressions);
  if (labels === undefined) return () => false;
  return (info) => matchesLabels(labels, info.labels) && matchFields.every((field) => matchesField(field, info));
}

const operators = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!', Gt: 'gt', Lt: 'lt' } as const;

function labelsMatcher(expressions: readonly NodeSelectorRequirement[]): ReturnType<typeof labelMatcherOf> | undefined {
  try {
    return labelMatcherOf(
      expressions.map(({ key, operator, values }) => {
        const known = operators[operator as keyof typeof operators];
        if (known === undefined) throw new SelectorError(`${operator} is not a node selector operator`);
        return labelRequirement(key, known, values ?? []);
      }),
    );
  } catch (error) {
    // An expression that validation let through in former days selects nothing; it must not stop the scheduler.
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** metadata.name is the only field there is. */
function matchesField({ key, operator, values = [] }: NodeSelectorRequirement, { name }: NodeInfo): boolean {
  const actual = key === 'metadata.name' ? name : '';
  if (values.length !== 1) return false;
  return operator === 'In' ? values[0] === actual : operator === 'NotIn' && values[0] !== actual;
}

/**
 * The names of the only nodes that can match, where every term names some (pods of a DaemonSet do); an empty set: the terms
 * contradict themselves. Undefined: any node may match.
 */
export function namedNodes({ spec }: Pod): ReadonlySet<string> | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  if (terms.length === 0) return undefined;
  const names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const sets = matchFields
      .filter(({ key, operator }) => key === 'metadata.name' && operator === 'In')
      .map(({ values }) => new Set(values ?? []));
    const [first, ...rest] = sets;
    if (first === undefined) return undefined;
    for (const name of rest.reduce((all, set) => all.intersection(set), first)) names.add(name);
  }
  return names;
}
