/** Required affinity and anti-affinity between pods, both of the pod to place and of pods already placed. */
import type { Pod } from '#api/types.generated.ts';
import { type DomainCounts, domainOf } from '../domain-counts.ts';
import { type FilterPlugin, type NodeCheck, type PodChanges, rejectionOf } from '../framework.ts';
import { type AffinityTerm, affinityProblem, requiredAffinity, requiredAntiAffinity } from '../pod-affinity.ts';
import { type PlacedTerm, termsOf } from '../pod-index.ts';
import type { Snapshot } from '../snapshot.ts';

const name = 'InterPodAffinity';
const noFriends = rejectionOf(name, false, "node(s) didn't match pod affinity rules");
const ownFoes = rejectionOf(name, true, "node(s) didn't match pod anti-affinity rules");
const theirFoes = rejectionOf(name, true, "node(s) didn't satisfy existing pods anti-affinity rules");

/** The filter InterPodAffinity. */
export const interPodAffinity: FilterPlugin = {
  name,
  prepare(pod, snapshot) {
    const problem = affinityProblem(pod);
    if (problem !== undefined) return { kind: 'refuse', rejection: rejectionOf(name, false, `parsing pod: ${problem}`) };
    const affinity = requiredAffinity(pod);
    const antiAffinity = requiredAntiAffinity(pod);
    const checks: NodeCheck[] = [];
    if (affinity.length > 0) checks.push(affinityCheck(pod, affinity, snapshot));
    if (antiAffinity.length > 0) checks.push(antiAffinityCheck(antiAffinity, snapshot));
    // Also when no placed pod has such a term: pods that are tried on a node, because they are nominated there, may bring some.
    const theirs = theirsCheck(pod, snapshot);
    checks.push(theirs.check);
    return { kind: 'check', check: firstOf(checks), isIdle: checks.length === 1 && !theirs.forbids };
  },
};

function firstOf(checks: readonly NodeCheck[]): NodeCheck {
  const [only] = checks;
  if (only !== undefined && checks.length === 1) return only;
  return (info, changes) => {
    for (const check of checks) {
      const rejection = check(info, changes);
      if (rejection !== undefined) return rejection;
    }
    return undefined;
  };
}

/** By how much changes on a node alter the number of pods that `matches` selects. */
function difference(changes: PodChanges | undefined, matches: (pod: Pod) => boolean): number {
  if (changes === undefined) return 0;
  return changes.added.filter(matches).length - changes.removed.filter(matches).length;
}

/** The pods that all terms select, by domains of one topology key. */
function countsOf(terms: readonly AffinityTerm[], topologyKey: string, snapshot: Snapshot): DomainCounts {
  const namespaces = new Set(terms.map(({ namespace }) => namespace));
  return snapshot.podIndex.counts({
    key: `affinity\n${topologyKey}\n${terms.map(({ key }) => key).join('\n')}`,
    topologyKey,
    namespace: namespaces.size === 1 ? terms[0]?.namespace : undefined,
    matches: (pod) => terms.every((term) => term.matches(pod, snapshot)),
  });
}

function affinityCheck(pod: Pod, terms: readonly AffinityTerm[], snapshot: Snapshot): NodeCheck {
  // Upstream takes only pods that all terms select.
  const keys = [...new Set(terms.map(({ topologyKey }) => topologyKey))];
  const counts = keys.map((key) => countsOf(terms, key, snapshot));
  const matchesAll = (other: Pod): boolean => terms.every((term) => term.matches(other, snapshot));
  // The first pod of a group with affinity to itself has no other pod to join, so it may go anywhere.
  const mayBeFirst = matchesAll(pod);
  return (info, changes) => {
    const more = difference(changes, matchesAll);
    let near = true;
    for (const count of counts) {
      const domain = domainOf(info, count.counting.topologyKey);
      if (domain === undefined) return noFriends;
      if (count.in(domain) + more <= 0) near = false;
    }
    return near || (mayBeFirst && counts.every(({ total }) => total + more <= 0)) ? undefined : noFriends;
  };
}

function antiAffinityCheck(terms: readonly AffinityTerm[], snapshot: Snapshot): NodeCheck {
  const counts = terms.map((term) => ({ term, count: countsOf([term], term.topologyKey, snapshot) }));
  return (info, changes) => {
    for (const { term, count } of counts) {
      const domain = domainOf(info, term.topologyKey);
      if (domain === undefined) continue;
      if (count.in(domain) + difference(changes, (other) => term.matches(other, snapshot)) > 0) return ownFoes;
    }
    return undefined;
  };
}

/** The anti-affinity of placed pods against this one. */
function theirsCheck(pod: Pod, snapshot: Snapshot): { check: NodeCheck; forbids: boolean } {
  const forbidding: PlacedTerm[] = [...snapshot.podIndex.termsFor(pod)].filter(({ kind }) => kind === 'requiredAntiAffinity');
  const owns = (other: Pod, key: string): boolean =>
    termsOf(other).some(({ kind, term }) => kind === 'requiredAntiAffinity' && term.key === key);
  const check: NodeCheck = (info, changes) => {
    for (const { term, owners } of forbidding) {
      const domain = domainOf(info, term.topologyKey);
      if (domain === undefined) continue;
      const less = changes?.removed.filter((other) => owns(other, term.key)).length ?? 0;
      if ((owners.get(domain) ?? 0) - less > 0) return theirFoes;
    }
    if (changes === undefined || changes.added.length === 0) return undefined;
    const forbids = changes.added.some((other) =>
      requiredAntiAffinity(other).some((term) => domainOf(info, term.topologyKey) !== undefined && term.matches(pod, snapshot)),
    );
    return forbids ? theirFoes : undefined;
  };
  return { check, forbids: forbidding.length > 0 };
}
