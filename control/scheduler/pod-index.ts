/**
 * What plugins want to know about all pods of the cluster, kept up to date instead of looked for again for each pod: counts of
 * matching pods by domain, and the affinity terms of placed pods.
 */
import type { Pod } from '#api/types.generated.ts';
import { type Counting, DomainCounts, Domains, domainOf, type Eligibility } from './domain-counts.ts';
import { hasPodAffinity, type NodeInfo } from './node-info.ts';
import {
  type AffinityTerm,
  type NamespaceLookup,
  preferredTerms,
  requiredAffinity,
  requiredAntiAffinity,
} from './pod-affinity.ts';

/** What a term is to the pod that has it. */
export type TermKind = 'requiredAffinity' | 'requiredAntiAffinity' | 'preferred';

/** A term that placed pods have, and how often in which domain. */
export interface PlacedTerm {
  readonly kind: TermKind;
  readonly term: AffinityTerm;
  /** The weight of preferred terms, otherwise 0. Negative for anti-affinity. */
  readonly weight: number;
  /** Number of pods with the term, by the domain of their nodes. */
  readonly owners: ReadonlyMap<string, number>;
}

interface OwnedTerm extends PlacedTerm {
  readonly id: string;
  readonly owners: Map<string, number>;
}

/** Maximum number of counts kept. The least recently used are dropped; a walk over all pods makes them again. */
const maxCounts = 2_000;

/** The nodes of the cluster at this moment. */
export interface NodeSource {
  readonly nodes: readonly NodeInfo[];
}

/**
 * Index over the pods on nodes. It begins to keep something when it is first asked for it. Whoever owns the nodes tells it of
 * every change after it has been made.
 */
export class PodIndex {
  readonly #source: NodeSource;
  readonly #lookups: NamespaceLookup;
  readonly #counts = new Map<string, DomainCounts>();
  /** Those counts that only pods of one namespace change; the rest under undefined. */
  readonly #countsOf = new Map<string | undefined, Set<DomainCounts>>();
  readonly #domains = new Map<string, Domains>();
  /** Number of nodes by image. Undefined until somebody asks. */
  #imageNodes: Map<string, number> | undefined;
  /** Number of uses by claim (`namespace/name`). Undefined until somebody asks. */
  #claimUses: Map<string, number> | undefined;
  /** By namespace, as {@link #countsOf}. Undefined until somebody asks. */
  #terms: Map<string | undefined, Map<string, OwnedTerm>> | undefined;

  constructor(source: NodeSource, lookups: NamespaceLookup) {
    this.#source = source;
    this.#lookups = lookups;
  }

  /** The counts of the matching pods. Current until the next change of a pod or node. */
  counts(counting: Counting): DomainCounts {
    const known = this.#counts.get(counting.key);
    if (known !== undefined) {
      this.#counts.delete(counting.key);
      this.#counts.set(counting.key, known);
      return known;
    }
    const made = new DomainCounts(counting, this.#domainsOf(counting.topologyKey, counting.nodes));
    for (const info of this.#source.nodes) made.addAll(info);
    this.#counts.set(counting.key, made);
    this.#countsOf.getOrInsertComputed(counting.namespace, () => new Set()).add(made);
    if (this.#counts.size > maxCounts) this.#dropOldest();
    return made;
  }

  /** The number of nodes that have the image. */
  nodesWithImage(image: string): number {
    if (this.#imageNodes === undefined) {
      this.#imageNodes = new Map();
      for (const info of this.#source.nodes) this.#countImages(info, 1);
    }
    return this.#imageNodes.get(image) ?? 0;
  }

  /** How many volumes of placed pods are this claim. @param claim namespace/name */
  usesOfClaim(claim: string): number {
    if (this.#claimUses === undefined) {
      this.#claimUses = new Map();
      for (const info of this.#source.nodes) for (const pod of info.pods) this.#countClaims(pod, 1);
    }
    return this.#claimUses.get(claim) ?? 0;
  }

  /** The terms of placed pods that the pod matches. */
  *termsFor(pod: Pod): Generator<PlacedTerm> {
    this.#terms ??= this.#allTerms();
    for (const group of [this.#terms.get(pod.metadata.namespace ?? ''), this.#terms.get(undefined)])
      for (const placed of group?.values() ?? []) if (placed.term.matches(pod, this.#lookups)) yield placed;
  }

  nodeAdded(info: NodeInfo): void {
    this.#countImages(info, 1);
    for (const domains of this.#domains.values()) domains.add(info);
    for (const counts of this.#counts.values()) counts.addAll(info);
    for (const pod of info.podsWithAffinity) this.#changeTerms(pod, info, 1);
    for (const pod of info.pods) this.#countClaims(pod, 1);
  }

  nodeRemoved(info: NodeInfo): void {
    this.#countImages(info, -1);
    for (const pod of info.pods) this.podRemoved(pod, info);
    for (const domains of this.#domains.values()) domains.remove(info);
  }

  /** The node's images have changed, and nothing else that is counted. */
  imagesChanged(before: NodeInfo, info: NodeInfo): void {
    this.#countImages(before, -1);
    this.#countImages(info, 1);
  }

  podAdded(pod: Pod, info: NodeInfo): void {
    this.#podChanged(pod, info, 1);
  }

  podRemoved(pod: Pod, info: NodeInfo): void {
    this.#podChanged(pod, info, -1);
  }

  /** Labels of namespaces have changed: forgets what may depend on them, and looks anew when asked. */
  namespacesChanged(): void {
    // What is of one namespace does not depend on labels.
    if ((this.#countsOf.get(undefined)?.size ?? 0) === 0 && (this.#terms?.get(undefined)?.size ?? 0) === 0) return;
    this.#counts.clear();
    this.#countsOf.clear();
    this.#domains.clear();
    this.#terms = undefined;
  }

  #countImages({ images }: NodeInfo, delta: 1 | -1): void {
    const counts = this.#imageNodes;
    if (counts === undefined) return;
    for (const image of images.keys()) {
      const now = (counts.get(image) ?? 0) + delta;
      if (now > 0) counts.set(image, now);
      else counts.delete(image);
    }
  }

  #countClaims({ metadata, spec }: Pod, delta: 1 | -1): void {
    const uses = this.#claimUses;
    if (uses === undefined) return;
    for (const { persistentVolumeClaim } of spec.volumes ?? []) {
      if (persistentVolumeClaim === undefined) continue;
      const claim = `${metadata.namespace ?? ''}/${persistentVolumeClaim.claimName}`;
      const now = (uses.get(claim) ?? 0) + delta;
      if (now > 0) uses.set(claim, now);
      else uses.delete(claim);
    }
  }

  #podChanged(pod: Pod, info: NodeInfo, delta: 1 | -1): void {
    const namespace = pod.metadata.namespace ?? '';
    for (const counts of this.#countsOf.get(namespace) ?? []) counts.change(pod, info, delta);
    for (const counts of this.#countsOf.get(undefined) ?? []) counts.change(pod, info, delta);
    if (hasPodAffinity(pod)) this.#changeTerms(pod, info, delta);
    this.#countClaims(pod, delta);
  }

  #domainsOf(topologyKey: string, nodes: Eligibility | undefined): Domains {
    const key = `${topologyKey}\n${nodes?.key ?? ''}`;
    return this.#domains.getOrInsertComputed(key, () => {
      const domains = new Domains(topologyKey, nodes);
      for (const info of this.#source.nodes) domains.add(info);
      return domains;
    });
  }

  #dropOldest(): void {
    const [oldest] = this.#counts.values();
    if (oldest === undefined) return;
    this.#counts.delete(oldest.counting.key);
    this.#countsOf.get(oldest.counting.namespace)?.delete(oldest);
    const inUse = new Set(Array.from(this.#counts.values(), ({ domains }) => domains));
    for (const [key, domains] of this.#domains) if (!inUse.has(domains)) this.#domains.delete(key);
  }

  #allTerms(): Map<string | undefined, Map<string, OwnedTerm>> {
    const terms = new Map<string | undefined, Map<string, OwnedTerm>>();
    for (const info of this.#source.nodes) for (const pod of info.podsWithAffinity) changeTerms(terms, pod, info, 1);
    return terms;
  }

  #changeTerms(pod: Pod, info: NodeInfo, delta: 1 | -1): void {
    if (this.#terms !== undefined) changeTerms(this.#terms, pod, info, delta);
  }
}

function changeTerms(terms: Map<string | undefined, Map<string, OwnedTerm>>, pod: Pod, info: NodeInfo, delta: 1 | -1): void {
  for (const { kind, term, weight } of termsOf(pod)) {
    const domain = domainOf(info, term.topologyKey);
    if (domain === undefined) continue;
    const group = terms.getOrInsertComputed(term.namespace, () => new Map<string, OwnedTerm>());
    const id = `${kind}\n${weight}\n${term.key}`;
    const placed = group.getOrInsertComputed(id, () => ({ id, kind, term, weight, owners: new Map<string, number>() }));
    const now = (placed.owners.get(domain) ?? 0) + delta;
    if (now > 0) placed.owners.set(domain, now);
    else placed.owners.delete(domain);
    if (placed.owners.size === 0) group.delete(id);
  }
}

/** All affinity terms of a pod. */
export function termsOf(pod: Pod): { kind: TermKind; term: AffinityTerm; weight: number }[] {
  return [
    ...requiredAffinity(pod).map((term) => ({ kind: 'requiredAffinity' as const, term, weight: 0 })),
    ...requiredAntiAffinity(pod).map((term) => ({ kind: 'requiredAntiAffinity' as const, term, weight: 0 })),
    ...preferredTerms(pod).map(({ term, weight }) => ({ kind: 'preferred' as const, term, weight })),
  ];
}
