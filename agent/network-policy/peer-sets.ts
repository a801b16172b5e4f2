/**
 * The sets of addresses that selectors and named ports of the policies in force stand for, kept as pods and namespaces change: a change of one
 * pod touches only its own elements. Pure.
 */
import type { IpFamily } from '#api/ip.ts';
import { matchesLabels } from '#api/selector.ts';
import type { PodPeer } from './compiled-policy.ts';
import { ElementSet } from './element-set.ts';
import { LabelledIndex, SelectorIndex } from './label-index.ts';
import { type NamedPortKey, peerSetName, portSetName, setSuffix } from './policy-chains.ts';
import type { PolicyPod } from './policy-pod.ts';

type Labels = Readonly<Record<string, string>>;
type ByFamily<T> = Readonly<Record<IpFamily, T>>;

/** One set of the kernel. */
export interface KernelSet {
  /** As nft writes it. */
  type: string;
  elements: ElementSet;
}

interface PeerSet extends Pick<PodPeer, 'namespace' | 'namespaces' | 'pods'> {
  name: string;
  sets: ByFamily<ElementSet>;
}

interface PortSet extends NamedPortKey {
  sets: ByFamily<ElementSet>;
}

/** An element of a pod in a set. */
type Membership = readonly [set: ElementSet, element: string];

const addressType: ByFamily<string> = { IPv4: 'ipv4_addr', IPv6: 'ipv6_addr' };
const families: readonly IpFamily[] = ['IPv4', 'IPv6'];
const emptySets = (): ByFamily<ElementSet> => ({ IPv4: new ElementSet(), IPv6: new ElementSet() });

/** All pods of the cluster, and the sets that have their addresses. */
export class PeerSets {
  readonly #pods = new Map<string, PolicyPod>();
  readonly #podIndex = new LabelledIndex<PolicyPod>();
  readonly #namespaces = new Map<string, Labels>();
  readonly #peers = new Map<string, PeerSet>();
  readonly #peerIndex = new SelectorIndex<PeerSet>();
  readonly #ports = new Map<string, PortSet>();
  /** By pod, then by set. */
  readonly #memberships = new Map<string, Map<string, Membership[]>>();

  pod(key: string): PolicyPod | undefined {
    return this.#pods.get(key);
  }

  /** The pods of a namespace that a selector selects; in all namespaces when it is undefined. */
  selected(namespace: string | undefined, matcher: PodPeer['pods']): PolicyPod[] {
    return this.#podIndex.selected(namespace, matcher);
  }

  putPod(pod: PolicyPod): void {
    const before = this.#pods.get(pod.key);
    if (before !== undefined) this.#podIndex.remove(before);
    this.#pods.set(pod.key, pod);
    this.#podIndex.add(pod);
    this.#placePod(pod);
  }

  removePod(key: string): void {
    const pod = this.#pods.get(key);
    if (pod === undefined) return;
    this.#pods.delete(key);
    this.#podIndex.remove(pod);
    this.#dropMemberships(key);
  }

  /** @param labels undefined: the namespace is gone */
  putNamespace(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, labels);
    for (const pod of this.#podIndex.selected(name, { requirements: [] })) this.#placePod(pod);
  }

  /** Keeps just the sets of these selectors and ports. */
  keep(peers: ReadonlyMap<string, PodPeer>, ports: ReadonlyMap<string, NamedPortKey>): void {
    for (const [name, set] of this.#peers) {
      if (peers.has(name)) continue;
      this.#peers.delete(name);
      this.#peerIndex.remove(set);
      for (const pod of this.#podsOf(set)) this.#memberships.get(pod.key)?.delete(name);
    }
    for (const name of this.#ports.keys()) if (!ports.has(name)) this.#ports.delete(name);
    for (const [name, peer] of peers) {
      if (this.#peers.has(name)) continue;
      const { namespace, namespaces, pods } = peer;
      const set: PeerSet = { name, namespace, namespaces, pods, sets: emptySets() };
      this.#peers.set(name, set);
      this.#peerIndex.add(set);
      for (const pod of this.#podsOf(set)) this.#join(pod, name, addressMemberships(pod, set));
    }
    const added = new Map<string, PortSet>();
    for (const [name, port] of ports) if (!this.#ports.has(name)) added.set(name, { ...port, sets: emptySets() });
    if (added.size === 0) return;
    for (const [name, set] of added) this.#ports.set(name, set);
    for (const pod of this.#pods.values()) this.#joinPorts(pod, added);
  }

  /** The sets of the kernel, by name. */
  sets(): ReadonlyMap<string, KernelSet> {
    const all = new Map<string, KernelSet>();
    for (const family of families) {
      for (const [name, { sets }] of this.#peers)
        all.set(`${name}${setSuffix[family]}`, { type: addressType[family], elements: sets[family] });
      for (const [name, { sets }] of this.#ports)
        all.set(`${name}${setSuffix[family]}`, {
          type: `${addressType[family]} . inet_proto . inet_service`,
          elements: sets[family],
        });
    }
    return all;
  }

  #podsOf(set: PeerSet): PolicyPod[] {
    return this.#podIndex.selected(set.namespace, set.pods).filter((pod) => this.#isInNamespace(set, pod.namespace));
  }

  #isInNamespace({ namespaces }: PeerSet, name: string): boolean {
    if (namespaces === undefined) return true;
    const labels = this.#namespaces.get(name);
    return labels !== undefined && matchesLabels(namespaces, labels);
  }

  #placePod(pod: PolicyPod): void {
    this.#dropMemberships(pod.key);
    if (pod.addresses.length === 0) return;
    for (const set of this.#peerIndex.selecting(pod.namespace, pod.labels))
      if (this.#isInNamespace(set, pod.namespace)) this.#join(pod, set.name, addressMemberships(pod, set));
    this.#joinPorts(pod, this.#ports);
  }

  #joinPorts(pod: PolicyPod, sets: ReadonlyMap<string, PortSet>): void {
    for (const name of new Set(pod.ports.map(portSetName))) {
      const set = sets.get(name);
      if (set !== undefined) this.#join(pod, name, portMemberships(pod, set));
    }
  }

  #join({ key }: PolicyPod, setName: string, memberships: readonly Membership[]): void {
    if (memberships.length === 0) return;
    const ofPod = this.#memberships.get(key) ?? new Map<string, Membership[]>();
    this.#memberships.set(key, ofPod.set(setName, [...memberships]));
    for (const [set, element] of memberships) set.add(element);
  }

  #dropMemberships(key: string): void {
    for (const memberships of this.#memberships.get(key)?.values() ?? [])
      for (const [set, element] of memberships) set.remove(element);
    this.#memberships.delete(key);
  }
}

const addressMemberships = ({ addresses }: PolicyPod, { sets }: PeerSet): Membership[] =>
  addresses.map(({ family, text }) => [sets[family], text]);

function portMemberships({ addresses, ports }: PolicyPod, { protocol, name, sets }: PortSet): Membership[] {
  const numbers = new Set(ports.filter((port) => port.protocol === protocol && port.name === name).map(({ port }) => port));
  return [...numbers].flatMap((port) =>
    addresses.map(({ family, text }): Membership => [sets[family], `${text} . ${protocol} . ${port}`]),
  );
}

/** The names of the sets of selectors and of named ports, for {@link PeerSets.keep}. */
export const setNames = { peer: peerSetName, port: portSetName };
