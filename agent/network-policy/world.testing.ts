/** Generated policies, namespaces and pods for the property tests. */
import type { Namespace, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod } from '#api/types.generated.ts';

/** In [0, 1). */
export type Random = () => number;

/** A generator that gives the same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
const some = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: Math.floor(random() * (most + 1)) }, make);

const namespaceNames = ['one', 'two'];
/** Ports on which the peers of the packet tests listen. */
export const testPorts = [80, 81, 8080] as const;

export function testPod(
  name: string,
  namespace: string,
  labels: Record<string, string>,
  { ips, nodeName = 'node', ports = [], hostNetwork = false }: TestPodOptions,
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: `${namespace}-${name}`,
      labels,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    spec: { nodeName, containers: [{ name: 'c', image: 'i', ports }], ...(hostNetwork ? { hostNetwork } : {}) },
    status: { phase: 'Running', podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
  } as unknown as Pod;
}

export interface TestPodOptions {
  ips: readonly string[];
  nodeName?: string;
  ports?: { name: string; containerPort: number; protocol?: string }[];
  hostNetwork?: boolean;
}

export const testNamespace = (name: string, labels: Record<string, string> = {}): Namespace =>
  ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, uid: name, labels: { 'kubernetes.io/metadata.name': name, ...labels }, resourceVersion: '1' },
  }) as unknown as Namespace;

export const testPolicy = (name: string, namespace: string, spec: NetworkPolicy['spec']): NetworkPolicy =>
  ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, uid: name, resourceVersion: '1' },
    spec,
  }) as unknown as NetworkPolicy;

export function randomPod(random: Random, name: string, ips: readonly string[], nodeName?: string): Pod {
  return testPod(
    name,
    pick(random, namespaceNames),
    { app: pick(random, ['a', 'b']), tier: pick(random, ['x', 'y', 'z']) },
    {
      ips,
      ...(nodeName === undefined ? {} : { nodeName }),
      ports: [
        { name: 'web', containerPort: pick(random, testPorts), protocol: pick(random, ['TCP', 'UDP']) },
        { name: 'alt', containerPort: pick(random, testPorts), protocol: 'UDP' },
      ],
    },
  );
}

export const randomNamespaces = (random: Random): Namespace[] =>
  namespaceNames.map((name) => testNamespace(name, { team: pick(random, ['red', 'blue']) }));

const randomSelector = (random: Random): object =>
  pick(random, [
    {},
    { matchLabels: { app: pick(random, ['a', 'b']) } },
    { matchLabels: { app: 'a', tier: pick(random, ['x', 'y']) } },
    { matchExpressions: [{ key: 'tier', operator: 'In', values: ['x', pick(random, ['y', 'z'])] }] },
    { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: [pick(random, ['x', 'y', 'z'])] }] },
    { matchExpressions: [{ key: pick(random, ['app', 'none']), operator: pick(random, ['Exists', 'DoesNotExist']) }] },
  ]);

const randomNamespaceSelector = (random: Random): object =>
  pick(random, [
    {},
    { matchLabels: { team: pick(random, ['red', 'blue']) } },
    { matchLabels: { 'kubernetes.io/metadata.name': pick(random, namespaceNames) } },
  ]);

function randomPeer(random: Random, blocks: readonly NonNullable<NetworkPolicyPeer['ipBlock']>[]): NetworkPolicyPeer {
  return pick(random, [
    { podSelector: randomSelector(random) },
    { namespaceSelector: randomNamespaceSelector(random) },
    { namespaceSelector: randomNamespaceSelector(random), podSelector: randomSelector(random) },
    { ipBlock: pick(random, blocks) },
  ]);
}

function randomPort(random: Random): NetworkPolicyPort {
  const protocol = pick(random, ['TCP', 'UDP', 'SCTP', undefined]);
  const port = pick<number | string | undefined>(random, [...testPorts, 'web', 'alt', undefined]);
  return {
    ...(protocol === undefined ? {} : { protocol }),
    ...(port === undefined ? {} : { port }),
    ...(port === 80 && random() < 0.5 ? { endPort: pick(random, [80, 81, 9000]) } : {}),
  };
}

export function randomPolicy(
  random: Random,
  name: string,
  blocks: readonly NonNullable<NetworkPolicyPeer['ipBlock']>[],
): NetworkPolicy {
  const rule = (field: 'from' | 'to') => () => ({
    ...(random() < 0.8 ? { [field]: some(random, 3, () => randomPeer(random, blocks)) } : {}),
    ...(random() < 0.7 ? { ports: some(random, 3, () => randomPort(random)) } : {}),
  });
  const policyTypes = pick(random, [undefined, ['Ingress'], ['Egress'], ['Ingress', 'Egress']]);
  return testPolicy(name, pick(random, namespaceNames), {
    podSelector: randomSelector(random),
    ingress: some(random, 2, rule('from')),
    egress: some(random, 2, rule('to')),
    ...(policyTypes === undefined ? {} : { policyTypes }),
  });
}
