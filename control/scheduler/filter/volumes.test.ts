import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import { selectedNodeAnnotation } from '#api/storage/binding.ts';
import { volumeOf } from '#api/storage/objects.testing.ts';
import type { Node, PersistentVolumeClaim, Pod, Volume } from '#api/types.generated.ts';
import type { FilterPlugin } from '../framework.ts';
import { withoutPods } from '../node-info.ts';
import { node, pod, snapshotOf } from '../objects.testing.ts';
import {
  attachmentOf,
  boundClaim,
  capacityOf,
  csiDriver,
  csiNode,
  lazyClass,
  onlyOn,
  openClaim,
  storageOf,
  using,
} from '../volumes/storage.testing.ts';
import { nodeVolumeLimits } from './node-volume-limits.ts';
import { volumeBinding } from './volume-binding.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

interface Case {
  name: string;
  pod: Pod;
  nodes: (Node | [Node, ...Pod[]])[];
  objects?: KubeObject[];
  /** As in filter.test.ts: reasons by node, with `!` when preemption cannot help; one text: all nodes at once. */
  expected: string | string[];
}

function verdicts(plugin: FilterPlugin, { pod: incoming, nodes, objects = [] }: Case): string | string[] {
  const snapshot = snapshotOf(nodes, { storage: storageOf(...objects) });
  const filtering = plugin.prepare(incoming, snapshot);
  if (filtering.kind === 'skip') return 'skip';
  if (filtering.kind === 'refuse') return filtering.rejection.reasons.join('; ');
  return snapshot.nodes.map((info) => {
    const rejection = filtering.check(info);
    return rejection === undefined ? 'fits' : `${rejection.preemptible ? '' : '!'}${rejection.reasons.join('; ')}`;
  });
}

function suite(plugin: FilterPlugin, cases: Case[]): void {
  describe(plugin.name, () => {
    for (const one of cases) it(one.name, () => assert.deepEqual(verdicts(plugin, one), one.expected));
  });
}

const [a, b] = [node('a', { labels: { zone: 'x' } }), node('b', { labels: { zone: 'y' } })];
const nodeConflict = "!node(s) didn't match PersistentVolume's node affinity";
const noVolume = "!node(s) didn't find available persistent volumes to bind";
const noSpace = '!node(s) did not have enough free storage';
const lazy = { storageClassName: 'lazy' };
const selected = (claim: PersistentVolumeClaim, on: string): PersistentVolumeClaim => ({
  ...claim,
  metadata: { ...claim.metadata, annotations: { [selectedNodeAnnotation]: on } },
});
const ephemeral: Pick<Pod['spec'], 'volumes'> = { volumes: [{ name: 'scratch', ephemeral: {} }] };
const trackedDriver = csiDriver('example.com/disks', { storageCapacity: true });

suite(volumeBinding, [
  { name: 'does not care for pods without claims', pod: pod('p'), nodes: [a], expected: 'skip' },
  {
    name: 'refuses a pod whose claim is missing',
    pod: pod('p', using('data')),
    nodes: [a],
    expected: 'persistentvolumeclaim "data" not found',
  },
  {
    name: 'waits for the claim of an ephemeral volume',
    pod: pod('p', ephemeral),
    nodes: [a],
    expected: 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch"',
  },
  {
    name: 'does not take the claim of somebody else for that of an ephemeral volume',
    pod: pod('p', ephemeral),
    nodes: [a],
    objects: [openClaim('p-scratch')],
    expected: 'PVC default/p-scratch was not created for pod default/p (pod is not owner)',
  },
  {
    name: 'refuses a pod whose claim is being deleted',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [
      {
        ...openClaim('data'),
        metadata: { ...openClaim('data').metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
      } as KubeObject,
    ],
    expected: 'persistentvolumeclaim "data" is being deleted',
  },
  {
    name: 'refuses a pod whose claim has lost its volume',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [{ ...boundClaim('data', 'gone'), status: { phase: 'Lost' } } as KubeObject],
    expected: 'persistentvolumeclaim "data" bound to non-existent persistentvolume "gone"',
  },
  {
    name: 'waits for claims that are bound without a pod',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [openClaim('data')],
    expected: 'pod has unbound immediate PersistentVolumeClaims',
  },
  {
    name: 'waits for claims that name a volume themselves',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [lazyClass('lazy'), openClaim('data', { ...lazy, volumeName: 'v' })],
    expected: 'pod has unbound immediate PersistentVolumeClaims',
  },
  {
    name: 'goes where the bound volume can be used',
    pod: pod('p', using('data')),
    nodes: [a, b],
    objects: [boundClaim('data', 'v'), volumeOf('v', { nodeAffinity: onlyOn('zone', 'x') })],
    expected: ['fits', nodeConflict],
  },
  {
    name: 'goes nowhere when the bound volume is gone',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [boundClaim('data', 'v')],
    expected: ['!node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)'],
  },
  {
    name: 'goes where a volume is free',
    pod: pod('p', using('data')),
    nodes: [a, b],
    objects: [
      lazyClass('lazy', { provisioner: 'kubernetes.io/no-provisioner' }),
      openClaim('data', lazy),
      volumeOf('v', { ...lazy, nodeAffinity: onlyOn('zone', 'y') }),
    ],
    expected: [noVolume, 'fits'],
  },
  {
    name: 'needs a volume for each claim',
    pod: pod('p', using('data', 'log')),
    nodes: [a, b],
    objects: [
      lazyClass('lazy', { provisioner: 'kubernetes.io/no-provisioner' }),
      openClaim('data', lazy),
      openClaim('log', lazy),
      volumeOf('v', { ...lazy, nodeAffinity: onlyOn('zone', 'x') }),
      volumeOf('w', { ...lazy, nodeAffinity: onlyOn('zone', 'y') }),
      volumeOf('x', { ...lazy, nodeAffinity: onlyOn('zone', 'y') }),
    ],
    expected: [noVolume, 'fits'],
  },
  {
    name: 'gives the smaller volume to the smaller claim, so that both get one',
    pod: pod('p', using('large', 'small')),
    nodes: [a],
    objects: [
      lazyClass('lazy', { provisioner: 'kubernetes.io/no-provisioner' }),
      openClaim('large', { ...lazy, size: '5Gi' }),
      openClaim('small', { ...lazy, size: '1Gi' }),
      volumeOf('v', { ...lazy, size: '5Gi' }),
      volumeOf('w', { ...lazy, size: '6Gi' }),
    ],
    expected: ['fits'],
  },
  {
    name: 'says everything that speaks against a node',
    pod: pod('p', using('data', 'log')),
    nodes: [b],
    objects: [
      lazyClass('lazy', { provisioner: 'kubernetes.io/no-provisioner' }),
      boundClaim('data', 'v'),
      volumeOf('v', { nodeAffinity: onlyOn('zone', 'x') }),
      openClaim('log', lazy),
    ],
    expected: [`${nodeConflict}; ${noVolume.slice(1)}`],
  },
  {
    name: 'goes anywhere where a provisioner makes the volume',
    pod: pod('p', using('data')),
    nodes: [a, b],
    objects: [lazyClass('lazy'), openClaim('data', lazy)],
    expected: ['fits', 'fits'],
  },
  {
    name: 'goes where the class allows volumes',
    pod: pod('p', using('data')),
    nodes: [a, b],
    objects: [
      lazyClass('lazy', { allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: ['y', 'z'] }] }] }),
      openClaim('data', lazy),
    ],
    expected: [noVolume, 'fits'],
  },
  {
    name: 'goes where its volume is being made already',
    pod: pod('p', using('data')),
    nodes: [a, b],
    objects: [lazyClass('lazy'), selected(openClaim('data', lazy), 'b')],
    expected: [noVolume, 'fits'],
  },
  {
    name: 'goes where the driver has room',
    pod: pod('p', using('data')),
    nodes: [a, b, node('c')],
    objects: [
      lazyClass('lazy'),
      trackedDriver,
      openClaim('data', { ...lazy, size: '10Gi' }),
      capacityOf('one', 'lazy', { capacity: '5Gi', nodeTopology: { matchLabels: { zone: 'x' } } }),
      capacityOf('two', 'lazy', { capacity: '50Gi', nodeTopology: { matchLabels: { zone: 'y' } } }),
      capacityOf('three', 'other', { capacity: '50Gi', nodeTopology: { matchLabels: { zone: 'x' } } }),
    ],
    expected: [noSpace, 'fits', noSpace],
  },
  {
    name: 'the largest volume counts before the whole capacity',
    pod: pod('p', using('data')),
    nodes: [a, b],
    objects: [
      lazyClass('lazy'),
      trackedDriver,
      openClaim('data', { ...lazy, size: '10Gi' }),
      capacityOf('one', 'lazy', { capacity: '50Gi', maximumVolumeSize: '9Gi', nodeTopology: { matchLabels: { zone: 'x' } } }),
      capacityOf('two', 'lazy', { capacity: '50Gi', maximumVolumeSize: '10Gi', nodeTopology: { matchLabels: { zone: 'y' } } }),
    ],
    expected: [noSpace, 'fits'],
  },
  {
    name: 'a driver that does not tell its capacity has room',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [lazyClass('lazy'), csiDriver('example.com/disks', {}), openClaim('data', lazy)],
    expected: ['fits'],
  },
]);

const zoneLabels = (value: string) => ({ labels: { 'topology.kubernetes.io/zone': value } });
const noZone = '!node(s) had no available volume zone';
suite(volumeZone, [
  {
    name: 'goes into the zone of the volume, and where nodes have none',
    pod: pod('p', using('data')),
    nodes: [node('a', zoneLabels('x')), node('b', zoneLabels('y')), node('c')],
    objects: [boundClaim('data', 'v'), volumeOf('v', {}, zoneLabels('x'))],
    expected: ['fits', noZone, 'fits'],
  },
  {
    name: 'knows volumes in several zones, and the older label',
    pod: pod('p', using('data')),
    nodes: [node('a', zoneLabels('x')), node('b', zoneLabels('y')), node('c', zoneLabels('z'))],
    objects: [boundClaim('data', 'v'), volumeOf('v', {}, { labels: { 'failure-domain.beta.kubernetes.io/zone': 'x__z' } })],
    expected: ['fits', noZone, 'fits'],
  },
  {
    name: 'leaves a label out that nobody can read',
    pod: pod('p', using('data')),
    nodes: [node('a', zoneLabels('x'))],
    objects: [boundClaim('data', 'v'), volumeOf('v', {}, zoneLabels('x__'))],
    expected: 'skip',
  },
  {
    name: 'does not wait for volumes that wait for a pod',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [lazyClass('lazy'), openClaim('data', lazy)],
    expected: 'skip',
  },
  {
    name: 'refuses when the class is gone',
    pod: pod('p', using('data')),
    nodes: [a],
    objects: [openClaim('data', lazy)],
    expected: 'storageclass.storage.k8s.io "lazy" not found',
  },
]);

const disk = (volume: Partial<Volume>): Pick<Pod['spec'], 'volumes'> => ({ volumes: [{ name: 'disk', ...volume }] });
const noDisk = 'node(s) had no available disk';
const exclusive = { accessModes: ['ReadWriteOncePod'] };
const taken = 'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod';
const rbd = { monitors: ['1', '2'], image: 'i' };
const pairs: [string, Partial<Volume>, Partial<Volume>, boolean][] = [
  ['EBS', { awsElasticBlockStore: { volumeID: 'v' } }, { awsElasticBlockStore: { volumeID: 'v', readOnly: true } }, true],
  ['other EBS', { awsElasticBlockStore: { volumeID: 'v' } }, { awsElasticBlockStore: { volumeID: 'w' } }, false],
  ['GCE', { gcePersistentDisk: { pdName: 'v' } }, { gcePersistentDisk: { pdName: 'v', readOnly: true } }, true],
  [
    'GCE read by both',
    { gcePersistentDisk: { pdName: 'v', readOnly: true } },
    { gcePersistentDisk: { pdName: 'v', readOnly: true } },
    false,
  ],
  [
    'iSCSI',
    { iscsi: { iqn: 'q', lun: 0, targetPortal: 'p' } },
    { iscsi: { iqn: 'q', lun: 1, targetPortal: 'r', readOnly: true } },
    true,
  ],
  ['RBD', { rbd }, { rbd: { ...rbd, monitors: ['2', '3'] } }, true],
  ['RBD of other monitors', { rbd }, { rbd: { ...rbd, monitors: ['3'] } }, false],
  ['RBD of another pool', { rbd }, { rbd: { ...rbd, pool: 'p' } }, false],
];
suite(volumeRestrictions, [
  ...pairs.map(([name, ours, theirs, conflicts]) => ({
    name: `${name}: ${conflicts ? 'one pod' : 'both pods'} per node`,
    pod: pod('p', disk(ours)),
    nodes: [[node('a'), pod('q', disk(theirs))], node('b')] as (Node | [Node, ...Pod[]])[],
    expected: [conflicts ? noDisk : 'fits', 'fits'],
  })),
  {
    name: 'a claim for one pod is taken on every node',
    pod: pod('p', using('data')),
    nodes: [[node('a'), pod('q', using('data'))], node('b')],
    objects: [boundClaim('data', 'v', exclusive)],
    expected: [taken, taken],
  },
  {
    name: 'a claim for one pod of another namespace is another one',
    pod: pod('p', using('data')),
    nodes: [[node('a'), pod('q', { ...using('data'), namespace: 'other' })], node('b')],
    objects: [boundClaim('data', 'v', exclusive)],
    expected: 'skip',
  },
  {
    name: 'other claims are shared',
    pod: pod('p', using('data')),
    nodes: [[node('a'), pod('q', using('data'))]],
    objects: [boundClaim('data', 'v')],
    expected: 'skip',
  },
]);

it('a claim for one pod is free when its user is evicted', () => {
  const user = pod('q', using('data'));
  const snapshot = snapshotOf([[node('a'), user]], { storage: storageOf(boundClaim('data', 'v', exclusive)) });
  const filtering = volumeRestrictions.prepare(pod('p', using('data')), snapshot);
  const [info] = snapshot.nodes;
  assert.ok(filtering.kind === 'check' && info !== undefined);
  assert.equal(filtering.check(withoutPods(info, [user]), { added: [], removed: [user] }), undefined);
});

const onDriver = (name: string) => volumeOf(name, { csi: { driver: 'disks', volumeHandle: name } });
const limited = [
  csiNode('a', { disks: 2 }),
  csiNode('b', { other: 1 }),
  ...['v', 'w', 'x'].flatMap((name) => [onDriver(name), boundClaim(name, name)]),
];
const full = 'node(s) exceed max volume count';
suite(nodeVolumeLimits, [
  {
    name: 'counts the volumes of all pods of the node',
    pod: pod('p', using('v')),
    nodes: [[node('a'), pod('q', using('w')), pod('r', using('x'))], [node('b'), pod('s', using('w', 'x'))], node('c')],
    objects: limited,
    expected: [full, 'fits', 'fits'],
  },
  {
    name: 'counts a volume once, however many pods share it',
    pod: pod('p', using('v', 'w')),
    nodes: [[node('a'), pod('q', using('w')), pod('r', using('w'))]],
    objects: limited,
    expected: ['fits'],
  },
  {
    name: 'a pod with a volume that is there fits on a full node',
    pod: pod('p', using('w')),
    nodes: [[node('a'), pod('q', using('w', 'x'))]],
    objects: limited,
    expected: ['fits'],
  },
  {
    name: 'counts volumes that are attached without a pod',
    pod: pod('p', using('v')),
    nodes: [[node('a'), pod('q', using('w'))]],
    objects: [...limited, attachmentOf('disks', 'a', 'w'), attachmentOf('disks', 'a', 'x')],
    expected: [full],
  },
  {
    name: 'counts volumes that are yet to be made',
    pod: pod('p', using('new')),
    nodes: [[node('a'), pod('q', using('v', 'w'))]],
    objects: [...limited, lazyClass('lazy', { provisioner: 'disks' }), openClaim('new', lazy)],
    expected: [full],
  },
  {
    name: 'volumes without a driver are not counted',
    pod: pod('p', using('n')),
    nodes: [a],
    objects: [boundClaim('n', 'n'), volumeOf('n')],
    expected: 'skip',
  },
]);
