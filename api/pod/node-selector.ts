/**
 * Decides which nodes a pod may run on: `nodeSelector`, node affinity, and node selector terms in general (volumes have them,
 * too). Pure.
 *
 * Source: component-helpers `scheduling/corev1/nodeaffinity/nodeaffinity.go`.
 */
import { labelMatcherOf, labelRequirement, matchesLabels, SelectorError } from '../selector.ts';
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../types.generated.ts';

/** The part of a Node that selectors read. */
export interface NodeIdentity {
  name: string;
  labels: Readonly<Record<string, string>>;
}

/** Whether a node is selected. */
export type NodeMatcher = (node: NodeIdentity) => boolean;

const operators: ReadonlyMap<string, 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
  ['Gt', 'gt'],
  ['Lt', 'lt'],
]);

/** A matcher for the pod's `nodeSelector` and required node affinity. Build it once per pod, because it parses the selectors. */
export function requiredNodeAffinity({ spec }: Pick<Pod, 'spec'>): NodeMatcher {
  const wanted = Object.entries(spec.nodeSelector ?? {});
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const inTerms = required === undefined ? undefined : nodeSelector(required);
  return (node) => {
    const { labels } = node;
    if (!wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)) return false;
    return inTerms === undefined || inTerms(node);
  };
}

/** A matcher for nodes that meet at least one of the terms. */
export function nodeSelector({ nodeSelectorTerms }: NodeSelector): NodeMatcher {
  const terms = (nodeSelectorTerms ?? []).map(nodeSelectorTerm);
  return (node) => terms.some((matches) => matches(node));
}

/** A matcher for nodes that meet the whole term. An empty term, or a malformed one, matches no node. */
export function nodeSelectorTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): NodeMatcher {
  if (matchExpressions.length === 0 && matchFields.length === 0) return () => false;
  const labels = labelsMatcher(matchExpressions);
  if (labels === undefined) return () => false;
  return (node) => matchesLabels(labels, node.labels) && matchFields.every((field) => matchesField(field, node));
}

function labelsMatcher(expressions: readonly NodeSelectorRequirement[]): ReturnType<typeof labelMatcherOf> | undefined {
  try {
    return labelMatcherOf(
      expressions.map(({ key, operator, values }) => {
        const known = operators.get(operator);
        if (known === undefined) throw new SelectorError(`${operator} is not a node selector operator`);
        return labelRequirement(key, known, values ?? []);
      }),
    );
  } catch (error) {
    // Older validation may have accepted a malformed expression. It matches nothing. An exception would also stop the caller's
    // work on other pods.
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** Matches `metadata.name`. A field of any other name is empty, as in upstream's field sets. */
function matchesField({ key, operator, values = [] }: NodeSelectorRequirement, { name }: NodeIdentity): boolean {
  const actual = key === 'metadata.name' ? name : '';
  if (values.length !== 1) return false;
  return operator === 'In' ? values[0] === actual : operator === 'NotIn' && values[0] !== actual;
}

/**
 * The names of the only nodes that can match, if every term names some (the pods of a DaemonSet do). An empty set means that the
 * terms contradict each other. Undefined means that any node may match.
 */
export function namedNodes({ spec }: Pick<Pod, 'spec'>): ReadonlySet<string> | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  if (terms.length === 0) return undefined;
  const names = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const [first, ...rest] = matchFields
      .filter(({ key, operator }) => key === 'metadata.name' && operator === 'In')
      .map(({ values }) => new Set(values ?? []));
    if (first === undefined) return undefined;
    for (const name of rest.reduce((all, set) => all.intersection(set), first)) names.add(name);
  }
  return names;
}
