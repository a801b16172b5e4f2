/** Required affinity and anti-affinity between pods, both of the pod to place and of pods already placed. */
import { ownValue } from '#api/own-value.ts';
import type { Pod } from '#api/types.generated.ts';
import { type FilterPlugin, rejectionOf } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import { type AffinityTerm, affinityProblem, requiredAffinity, requiredAntiAffinity } from '../pod-affinity.ts';
import type { Snapshot } from '../snapshot.ts';

const name = 'InterPodAffinity';

/** Topology domains, written `label value`. */
type Domains = Set<string>;
const domain = (key: string, value: string): string => `${key}\n${value}`;

/** The filter InterPodAffinity. */
export const interPodAffinity: FilterPlugin = {
  name,
  prepare(pod, snapshot) {
    const problem = affinityProblem(pod);
    if (problem !== undefined) return { kind: 'refuse', rejection: rejectionOf(name, false, `parsing pod: ${problem}`) };
    const affinity = requiredAffinity(pod, snapshot);
    const antiAffinity = requiredAntiAffinity(pod, snapshot);
    const forbidden = forbiddenByOthers(pod, snapshot);
    if (affinity.length === 0 && antiAffinity.length === 0 && forbidden.size === 0) return { kind: 'skip' };
    const affinityDomains = domainsOf(snapshot, affinity, (other) => affinity.every((term) => term.matches(other)));
    const antiAffinityDomains = domainsOf(snapshot, antiAffinity);
    // The first pod of a group with affinity to itself has no other pod to join, so it may go anywhere.
    const isFirst = affinityDomains.size === 0 && affinity.every((term) => term.matches(pod));
    return {
      kind: 'check',
      check(info) {
        if (!meetsAffinity(info, affinity, affinityDomains, isFirst))
          return rejectionOf(name, false, "node(s) didn't match pod affinity rules");
        if (inDomain(info, antiAffinityDomains)) return rejectionOf(name, true, "node(s) didn't match pod anti-affinity rules");
        if (inDomain(info, forbidden)) return rejectionOf(name, true, "node(s) didn't satisfy existing pods anti-affinity rules");
        return undefined;
      },
    };
  },
};

/**
 * The domains that contain a pod which some term matches. With `also`, the domains of every term's key that contain a pod which
 * `also` matches.
 */
function domainsOf(snapshot: Snapshot, terms: readonly AffinityTerm[], also?: (other: Pod) => boolean): Domains {
  const found: Domains = new Set();
  if (terms.length === 0) return found;
  for (const info of snapshot.nodes) {
    for (const other of info.pods) {
      for (const term of terms) if (also === undefined ? term.matches(other) : also(other)) addDomain(found, info, term);
    }
  }
  return found;
}

function forbiddenByOthers(pod: Pod, snapshot: Snapshot): Domains {
  const found: Domains = new Set();
  for (const info of snapshot.nodes) {
    for (const other of info.podsWithAffinity) {
      for (const term of requiredAntiAffinity(other, snapshot)) if (term.matches(pod)) addDomain(found, info, term);
    }
  }
  return found;
}

function addDomain(found: Domains, { labels }: NodeInfo, { topologyKey }: AffinityTerm): void {
  const value = ownValue(labels, topologyKey);
  if (value !== undefined) found.add(domain(topologyKey, value));
}

function meetsAffinity(
  { labels }: NodeInfo,
  terms: readonly AffinityTerm[],
  affinityDomains: Domains,
  isFirst: boolean,
): boolean {
  let all = true;
  for (const { topologyKey } of terms) {
    const value = ownValue(labels, topologyKey);
    if (value === undefined) return false;
    if (!affinityDomains.has(domain(topologyKey, value))) all = false;
  }
  return all || isFirst;
}

const inDomain = ({ labels }: NodeInfo, domains: Domains): boolean =>
  domains.size > 0 && Object.entries(labels).some(([key, value]) => domains.has(domain(key, value)));
