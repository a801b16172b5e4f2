/**
 * Counts of pods by topology domain, kept while pods and nodes come and go. A filter or score that counts matching pods reads its
 * counts here; only the first pod of a kind costs a walk over all pods.
 */
import { ownValue } from '#api/own-value.ts';
import type { Pod } from '#api/types.generated.ts';
import type { NodeInfo } from './node-info.ts';

/** Stands for a topology in which each node is a domain, whatever its labels. */
export const eachNode = '';

/** The domain of a node; undefined when it has no label of the key. */
export const domainOf = (info: NodeInfo, topologyKey: string): string | undefined =>
  topologyKey === eachNode ? info.name : ownValue(info.labels, topologyKey);

/** Which pods are counted, and on which nodes. */
export interface Counting {
  /** Equal for countings that count the same. */
  readonly key: string;
  readonly topologyKey: string;
  /** The only namespace whose pods match; undefined: any. */
  readonly namespace: string | undefined;
  matches(pod: Pod): boolean;
  /** The nodes that count; absent: all. */
  readonly nodes?: Eligibility | undefined;
}

/** A set of nodes. */
export interface Eligibility {
  /** Equal for equal sets. */
  readonly key: string;
  includes(info: NodeInfo): boolean;
}

/** The domains of the nodes of a set. Shared by all counts over the same nodes. */
export class Domains {
  readonly #topologyKey: string;
  readonly #nodes: Eligibility | undefined;
  /** Number of nodes by domain. */
  readonly #sizes = new Map<string, number>();

  constructor(topologyKey: string, nodes: Eligibility | undefined) {
    this.#topologyKey = topologyKey;
    this.#nodes = nodes;
  }

  get size(): number {
    return this.#sizes.size;
  }

  /** The domain in which the node counts; undefined when it does not count. */
  of(info: NodeInfo): string | undefined {
    return this.#nodes === undefined || this.#nodes.includes(info) ? domainOf(info, this.#topologyKey) : undefined;
  }

  add(info: NodeInfo): void {
    const domain = this.of(info);
    if (domain !== undefined) this.#sizes.set(domain, (this.#sizes.get(domain) ?? 0) + 1);
  }

  remove(info: NodeInfo): void {
    const domain = this.of(info);
    if (domain === undefined) return;
    const left = (this.#sizes.get(domain) ?? 0) - 1;
    if (left > 0) this.#sizes.set(domain, left);
    else this.#sizes.delete(domain);
  }
}

/** The number of matching pods in each domain. */
export class DomainCounts {
  readonly counting: Counting;
  readonly domains: Domains;
  /** Number of pods by domain, without domains that have none. */
  readonly #counts = new Map<string, number>();
  /** Number of domains by their number of pods. */
  readonly #histogram: number[] = [];
  #total = 0;
  #least = 1;

  constructor(counting: Counting, domains: Domains) {
    this.counting = counting;
    this.domains = domains;
  }

  /** Counts all pods of a node, if the node counts. */
  addAll(info: NodeInfo): void {
    const domain = this.domains.of(info);
    if (domain === undefined) return;
    const { matches } = this.counting;
    let found = 0;
    for (const pod of info.pods) if (matches(pod)) found++;
    if (found > 0) this.#change(domain, found);
  }

  /** @param delta 1 when the pod comes to the node, -1 when it leaves */
  change(pod: Pod, info: NodeInfo, delta: 1 | -1): void {
    if (!this.counting.matches(pod)) return;
    const domain = this.domains.of(info);
    if (domain !== undefined) this.#change(domain, delta);
  }

  /** The number of matching pods in the domain. */
  in(domain: string): number {
    return this.#counts.get(domain) ?? 0;
  }

  /** The number of matching pods in all domains. */
  get total(): number {
    return this.#total;
  }

  /** The smallest number of pods in any domain. 0 when there is no domain. */
  get least(): number {
    if (this.#counts.size < this.domains.size || this.#counts.size === 0) return 0;
    while ((this.#histogram[this.#least] ?? 0) === 0) this.#least++;
    return this.#least;
  }

  /** What {@link least} would be if the domain had so many pods. */
  leastWith(domain: string, count: number): number {
    const before = this.in(domain);
    const { least } = this;
    if (count <= least) return count;
    if (before > least) return least;
    // The domain is one of those with the least pods. Another one may be left.
    const empty = this.domains.size - this.#counts.size;
    const alike = least === 0 ? empty : (this.#histogram[least] ?? 0);
    if (alike > 1) return least;
    let next = least + 1;
    while (next < count && (this.#histogram[next] ?? 0) === 0) next++;
    return next;
  }

  #change(domain: string, delta: number): void {
    const before = this.#counts.get(domain) ?? 0;
    const now = before + delta;
    this.#total += delta;
    if (before > 0) this.#histogram[before] = (this.#histogram[before] ?? 0) - 1;
    if (now > 0) {
      this.#counts.set(domain, now);
      this.#histogram[now] = (this.#histogram[now] ?? 0) + 1;
      if (now < this.#least) this.#least = now;
    } else this.#counts.delete(domain);
  }
}
