/**
 * What the policies of the cluster mean for the pods of one node. It is told of each change of policies, namespaces and pods, and says which
 * rules the kernel should have. Only policies that isolate a pod of this node become rules. Pure.
 */
import type { IpFamily } from '#api/ip.ts';
import type { CompiledPolicy, Direction, PodPeer } from './compiled-policy.ts';
import { directions } from './compiled-policy.ts';
import { SelectorIndex } from './label-index.ts';
import { PeerSets, setNames } from './peer-sets.ts';
import {
  elementComment,
  isolatedChain,
  type NamedPortKey,
  namedPorts,
  type PolicyChain,
  podPeers,
  policyChain,
  setSuffix,
} from './policy-chains.ts';
import type { PolicyPod } from './policy-pod.ts';
import type { PolicyRuleset } from './ruleset.ts';

interface PolicyEntry {
  namespace: string;
  pods: CompiledPolicy['pods'];
  policy: CompiledPolicy;
}

interface LocalPod {
  pod: PolicyPod;
  policies: readonly CompiledPolicy[];
  isolated: Partial<Record<Direction, PolicyChain>>;
}

/** All that the rules of one node depend on. */
export class PolicyState {
  readonly #nodeName: string;
  readonly #sets = new PeerSets();
  readonly #policies = new Map<string, PolicyEntry>();
  readonly #policyIndex = new SelectorIndex<PolicyEntry>();
  readonly #local = new Map<string, LocalPod>();
  readonly #isNewer: (a: PolicyPod, b: PolicyPod) => number;
  #chains = new WeakMap<CompiledPolicy, Partial<Record<Direction, PolicyChain>>>();
  #families: readonly IpFamily[] = [];

  /** @param rank the pods with the lower number win an address that two pods of the node claim */
  constructor(nodeName: string, rank: (pod: PolicyPod) => number = () => 0) {
    this.#nodeName = nodeName;
    this.#isNewer = (a, b) => rank(a) - rank(b) || b.createdMs - a.createdMs || (a.key < b.key ? -1 : 1);
  }

  /** How many policies there are. */
  get policyCount(): number {
    return this.#policies.size;
  }

  /** How many pods of this node a policy selects. */
  get isolatedCount(): number {
    return [...this.#local.values()].filter(({ policies }) => policies.length > 0).length;
  }

  putPolicy(policy: CompiledPolicy): void {
    const key = `${policy.namespace}/${policy.name}`;
    const affected = new Set([...this.#dropPolicy(key), ...this.#selectedLocal(policy)]);
    const entry: PolicyEntry = { namespace: policy.namespace, pods: policy.pods, policy };
    this.#policies.set(key, entry);
    this.#policyIndex.add(entry);
    for (const pod of affected) this.#judge(pod);
  }

  removePolicy(key: string): void {
    for (const pod of this.#dropPolicy(key)) this.#judge(pod);
  }

  putNamespace(name: string, labels: Readonly<Record<string, string>> | undefined): void {
    this.#sets.putNamespace(name, labels);
  }

  /** @returns whether anything changed that policies see */
  putPod(pod: PolicyPod): boolean {
    const before = this.#sets.pod(pod.key);
    if (before !== undefined && isSame(before, pod)) return false;
    this.#sets.putPod(pod);
    if (pod.nodeName === this.#nodeName) this.#judge(pod);
    else this.#local.delete(pod.key);
    return true;
  }

  removePod(key: string): void {
    this.#sets.removePod(key);
    this.#local.delete(key);
  }

  /** Whether a policy isolates this pod of the node. */
  isIsolated(key: string): boolean {
    return (this.#local.get(key)?.policies.length ?? 0) > 0;
  }

  /** The rules that the kernel should have. Its sets hold what changed since they were last written. */
  ruleset(): PolicyRuleset {
    const isolated = [...this.#local.values()].filter(({ policies }) => policies.length > 0);
    this.#setFamilies(isolated);
    const chains = new Map<string, readonly string[]>();
    const peers = new Map<string, PodPeer>();
    const ports = new Map<string, NamedPortKey>();
    for (const { isolated: ofPod, policies } of isolated) {
      for (const direction of directions) {
        const chain = ofPod[direction];
        if (chain === undefined || chains.has(chain.name)) continue;
        chains.set(chain.name, chain.rules);
        for (const policy of policies) {
          const rules = policy.rules[direction];
          if (rules === undefined) continue;
          const { name, rules: text } = this.#chainOf(policy, direction);
          if (chains.has(name)) continue;
          chains.set(name, text);
          for (const peer of podPeers(rules)) peers.set(setNames.peer(peer), peer);
          for (const port of namedPorts(rules)) ports.set(setNames.port(port), port);
        }
      }
    }
    this.#sets.keep(peers, ports);
    return { chains, sets: this.#sets.sets(), maps: this.#mapsOf() };
  }

  #mapsOf(): PolicyRuleset['maps'] {
    const claimed = new Set<string>();
    const maps = new Map<string, Map<string, string>>();
    for (const name of ['egress', 'ingress', 'self'])
      for (const suffix of Object.values(setSuffix)) maps.set(`${name}-${suffix}`, new Map());
    // An address is its newest pod's, also of one that no policy isolates.
    for (const { pod, isolated: chains } of [...this.#local.values()].sort((a, b) => this.#isNewer(a.pod, b.pod))) {
      const note = elementComment(pod.key);
      for (const { family, text } of pod.addresses) {
        if (claimed.has(text)) continue;
        claimed.add(text);
        if (chains.Ingress ?? chains.Egress) maps.get(`self-${setSuffix[family]}`)?.set(`${text} . ${text}`, '');
        for (const direction of directions) {
          const chain = chains[direction];
          if (chain !== undefined)
            maps.get(`${direction.toLowerCase()}-${setSuffix[family]}`)?.set(text, `${note} : goto ${chain.name}`);
        }
      }
    }
    return maps;
  }

  /** Rules of a family are written when a pod that policies isolate has an address of it. */
  #setFamilies(isolated: readonly LocalPod[]): void {
    const found = new Set(isolated.flatMap(({ pod }) => pod.addresses.map(({ family }) => family)));
    const families = (['IPv4', 'IPv6'] as const).filter((family) => found.has(family));
    if (families.join() !== this.#families.join()) this.#chains = new WeakMap();
    this.#families = families;
  }

  #chainOf(policy: CompiledPolicy, direction: Direction): PolicyChain {
    const known = this.#chains.get(policy) ?? {};
    this.#chains.set(policy, known);
    return (known[direction] ??= policyChain(policy, direction, this.#families));
  }

  /** @returns the pods of this node that the policy selected */
  #dropPolicy(key: string): PolicyPod[] {
    const entry = this.#policies.get(key);
    if (entry === undefined) return [];
    this.#policies.delete(key);
    this.#policyIndex.remove(entry);
    return this.#selectedLocal(entry.policy);
  }

  #selectedLocal({ namespace, pods }: CompiledPolicy): PolicyPod[] {
    return this.#sets.selected(namespace, pods).filter(({ nodeName }) => nodeName === this.#nodeName);
  }

  #judge(pod: PolicyPod): void {
    const policies = this.#policyIndex.selecting(pod.namespace, pod.labels).map(({ policy }) => policy);
    const isolated: LocalPod['isolated'] = {};
    for (const direction of directions) {
      const ofDirection = policies.filter(({ rules }) => rules[direction] !== undefined);
      if (ofDirection.length > 0) isolated[direction] = isolatedChain(ofDirection, direction);
    }
    this.#local.set(pod.key, { pod, policies, isolated });
  }
}

function isSame(a: PolicyPod, b: PolicyPod): boolean {
  return a.uid === b.uid && a.nodeName === b.nodeName && facts(a) === facts(b);
}

const facts = ({ labels, addresses, ports }: PolicyPod): string => JSON.stringify([labels, addresses, ports]);
