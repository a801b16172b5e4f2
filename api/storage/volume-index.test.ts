import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compareQuantity } from '../quantity.ts';
import { labelMatcher, matchesLabels } from '../selector.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../types.generated.ts';
import {
  boundByControllerAnnotation,
  boundVolume,
  classOf,
  hasAccessModes,
  isBoundToClaim,
  requestedStorage,
  volumeCapacity,
  volumeFitsNode,
  volumeModeOf,
} from './binding.ts';
import { classAnnotation } from './claim-classes.ts';
import { claimOf, volumeOf } from './objects.testing.ts';
import { type MatchOptions, VolumeIndex } from './volume-index.ts';

const [rwo, rox, rwx] = ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany'] as const;
const inZone = (zone: string) => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] }] },
});

const disks = [
  volumeOf('disk-10', { size: '10G', accessModes: [rwo, rox] }),
  volumeOf(
    'disk-20-taken',
    { size: '2G', accessModes: [rwo, rox], claimRef: { namespace: 'ns', name: 'other', uid: 'x' } },
    { phase: 'Bound' },
  ),
  volumeOf('disk-5', { size: '5G', accessModes: [rox, rwo] }),
  volumeOf('disk-3-pending', { size: '3G', accessModes: [rox, rwo] }, { phase: 'Pending' }),
  volumeOf('share-5', { size: '5G', accessModes: [rwo, rox, rwx] }),
  volumeOf('labelled', { size: '50G', accessModes: [rwo] }, { labels: { tier: 'a' } }),
  volumeOf('of-class', { size: '2G', accessModes: [rwo], storageClassName: 'silver' }),
  volumeOf('of-beta-class', { size: '1G', accessModes: [rwo] }, { annotations: { [classAnnotation]: 'gold' } }),
  volumeOf('of-attributes', { size: '1G', accessModes: [rwo], volumeAttributesClassName: 'fast' }),
  volumeOf('raw', { size: '5G', accessModes: [rwo], volumeMode: 'Block' }),
  volumeOf('dying', { size: '6G', accessModes: [rwo, rox] }, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  volumeOf('huge', { size: '800E', accessModes: [rwo], storageClassName: 'large' }),
  volumeOf('reserved', { size: '100G', accessModes: [rwo], claimRef: { namespace: 'ns', name: 'expected' } }),
  volumeOf('in-a', { size: '3G', storageClassName: 'local', nodeAffinity: inZone('a') }),
  volumeOf('in-b', { size: '2G', storageClassName: 'local', nodeAffinity: inZone('b') }),
  volumeOf('kept-in-a', {
    size: '3G',
    storageClassName: 'local',
    nodeAffinity: inZone('a'),
    claimRef: { namespace: 'ns', name: 'mine' },
  }),
];

const indexOf = (volumes: readonly PersistentVolume[]): VolumeIndex => {
  const index = new VolumeIndex();
  for (const volume of volumes) index.put(volume);
  return index;
};

const both = { accessModes: [rox, rwo] };
const cases: readonly [behaviour: string, claim: PersistentVolumeClaim, found: string | undefined, options?: MatchOptions][] = [
  ['takes the smallest that is large enough', claimOf('c', { ...both, size: '4G' }), 'disk-5'],
  ['takes one that is just as large', claimOf('c', { ...both, size: '10G' }), 'disk-10'],
  ['leaves out those that are bound, pending or being deleted', claimOf('c', { ...both, size: '1G' }), 'disk-5'],
  ['prefers fewer access modes to a smaller size', claimOf('c', { accessModes: [rwo], size: '5G' }), 'labelled'],
  ['goes on to more access modes', claimOf('c', { accessModes: [rwx], size: '1G' }), 'share-5'],
  ['finds none that is larger than all', claimOf('c', { ...both, size: '999G' }), undefined],
  ['looks at the labels', claimOf('c', { selector: { matchLabels: { tier: 'a' } } }), 'labelled'],
  ['finds none with other labels', claimOf('c', { selector: { matchLabels: { tier: 'b' } } }), undefined],
  ['looks at the class', claimOf('c', { size: '1G', storageClassName: 'silver' }), 'of-class'],
  [
    'reads the older annotation of classes',
    claimOf('c', { size: '1G' }, { annotations: { [classAnnotation]: 'gold' } }),
    'of-beta-class',
  ],
  [
    'the annotation goes before the field',
    claimOf('c', { size: '1G', storageClassName: 'silver' }, { annotations: { [classAnnotation]: 'gold' } }),
    'of-beta-class',
  ],
  ['looks at the attributes class', claimOf('c', { size: '1G', volumeAttributesClassName: 'fast' }), 'of-attributes'],
  ['an empty attributes class is none', claimOf('c', { ...both, size: '9G', volumeAttributesClassName: '' }), 'disk-10'],
  ['looks at the volume mode', claimOf('c', { size: '1G', volumeMode: 'Block' }), 'raw'],
  ['compares sizes beyond 2^63', claimOf('c', { size: '799E', storageClassName: 'large' }), 'huge'],
  ['compares sizes beyond 2^63 exactly', claimOf('c', { size: '801E', storageClassName: 'large' }), undefined],
  ['takes the volume that is reserved for the claim', claimOf('expected', { size: '1G' }), 'reserved'],
  ['also when binding waits for a pod', claimOf('expected', { size: '1G' }), 'reserved', { delayBinding: true }],
  ['and nothing else then', claimOf('c', { ...both }), undefined, { delayBinding: true }],
  ['takes no reserved volume that is too small', claimOf('expected', { size: '101G' }), undefined],
  [
    'scheduler: on this node',
    claimOf('c', { size: '1G', storageClassName: 'local' }),
    'in-a',
    { node: { labels: { zone: 'a' } } },
  ],
  [
    'scheduler: on that node',
    claimOf('c', { size: '1G', storageClassName: 'local' }),
    'in-b',
    { node: { labels: { zone: 'b' } } },
  ],
  ['scheduler: on no such node', claimOf('c', { size: '1G', storageClassName: 'local' }), undefined, { node: { labels: {} } }],
  [
    'scheduler: not what another claim of the pod gets',
    claimOf('c', { size: '1G', storageClassName: 'local' }),
    undefined,
    { node: { labels: { zone: 'b' } }, excluded: new Set(['in-b']) },
  ],
  [
    'scheduler: the reserved volume only on its nodes',
    claimOf('mine', { size: '1G', storageClassName: 'local' }),
    undefined,
    { node: { labels: { zone: 'b' } } },
  ],
  [
    'scheduler: the reserved volume',
    claimOf('mine', { size: '1G', storageClassName: 'local' }),
    'kept-in-a',
    { node: { labels: { zone: 'a' } } },
  ],
  [
    'scheduler: only the size counts, not the number of access modes',
    claimOf('c', { accessModes: [rwo], size: '5G' }),
    'disk-5',
    { node: { labels: {} } },
  ],
];

describe('the volume for a claim', () => {
  for (const [behaviour, claim, found, options] of cases)
    it(behaviour, () => assert.equal(indexOf(disks).find(claim, options)?.metadata.name, found));

  it('follows changes: taken, given back, removed', () => {
    const [small, large] = [volumeOf('small'), volumeOf('large', { size: '2Gi' })];
    const index = indexOf([large, small]);
    const found = (): string | undefined => index.find(claimOf('c'))?.metadata.name;
    assert.equal(found(), 'small');
    index.put(boundVolume(small, claimOf('other')));
    assert.equal(found(), 'large');
    index.put(small);
    assert.equal(found(), 'small');
    index.remove('small');
    index.remove('small');
    assert.equal(found(), 'large');
    assert.deepEqual([index.get('small'), index.get('large'), [...index.all()].length], [undefined, large, 1]);
  });

  it('refuses a capacity that is no quantity, and goes on', () => {
    const index = indexOf([volumeOf('a')]);
    assert.throws(() => index.put(volumeOf('a', { size: 'much' })), /quantities must match/);
    assert.equal(index.find(claimOf('c')), undefined);
  });

  it('finds among 10,000 volumes for 10,000 claims in no time', () => {
    const index = indexOf(Array.from({ length: 10_000 }, (_, at) => volumeOf(`v-${at}`, { size: `${1 + (at % 997)}Gi` })));
    const before = process.cpuUsage();
    const taken = new Set<string>();
    for (let at = 0; at < 10_000; at++) {
      const found = index.find(claimOf(`c-${at}`, { size: `${1 + (at % 997)}Gi` }));
      assert.ok(found !== undefined && !taken.has(found.metadata.name));
      taken.add(found.metadata.name);
      index.put(boundVolume(found, claimOf(`c-${at}`)));
    }
    const { user, system } = process.cpuUsage(before);
    assert.ok((user + system) / 1000 < 5_000, `${(user + system) / 1000} ms`);
  });

  it('agrees with the rules evaluated one by one', () => {
    const size = fc.constantFrom('1Gi', '2Gi', '1024Mi', '3G', '1E');
    const modes = fc.uniqueArray(fc.constantFrom(rwo, rox, rwx), { minLength: 1 });
    const spec = {
      size,
      accessModes: modes,
      storageClassName: fc.constantFrom('', 'a'),
      volumeMode: fc.constantFrom('Filesystem', 'Block'),
    };
    const anyVolume = fc.record({
      ...spec,
      claimRef: fc.constantFrom(
        undefined,
        undefined,
        undefined,
        { namespace: 'ns', name: 'c' },
        { namespace: 'ns', name: 'c', uid: 'else' },
      ),
      nodeAffinity: fc.constantFrom(undefined, inZone('a'), inZone('b')),
      phase: fc.constantFrom('Available', 'Available', 'Bound'),
    });
    const anyClaim = fc.record({ ...spec, selector: fc.constantFrom(undefined, { matchLabels: { odd: 'yes' } }) });
    const anyOptions = fc.record({
      node: fc.constantFrom(undefined, { labels: { zone: 'a' } }),
      delayBinding: fc.boolean(),
      excluded: fc.constantFrom(undefined, new Set(['v-0', 'v-3'])),
    });
    fc.assert(
      fc.property(fc.array(anyVolume, { maxLength: 12 }), anyClaim, anyOptions, (drawn, claimSpec, options) => {
        const volumes = drawn.map(({ phase, ...one }, at) =>
          volumeOf(`v-${at}`, one, { phase, ...(at % 2 === 1 ? { labels: { odd: 'yes' } } : {}) }),
        );
        const claim = claimOf('c', claimSpec);
        const found = indexOf(volumes).find(claim, options);
        const allowed = naively(volumes, claim, options);
        assert.ok(
          found === undefined ? allowed.length === 0 : allowed.includes(found.metadata.name),
          `${found?.metadata.name} of ${allowed}`,
        );
      }),
      { numRuns: 500 },
    );
  });
});

/** The names of the volumes that upstream may choose: of equals, which one is up to the order of a map. */
function naively(volumes: readonly PersistentVolume[], claim: PersistentVolumeClaim, options: MatchOptions): string[] {
  if (options.node !== undefined) return upstreamsChoice(volumes, claim, options);
  const keys = [...new Set(volumes.map(({ spec }) => [...(spec.accessModes ?? [])].sort().join()))];
  const groups = keys.map((key) => volumes.filter(({ spec }) => [...(spec.accessModes ?? [])].sort().join() === key));
  const fitting = groups.filter(([first]) => first !== undefined && hasAccessModes(claim, first));
  for (let count = 1; count <= 3; count++) {
    const found = fitting
      .filter(([first]) => first?.spec.accessModes?.length === count)
      .flatMap((group) => upstreamsChoice(group, claim, options));
    if (found.length > 0) return found;
  }
  return [];
}

function upstreamsChoice(volumes: readonly PersistentVolume[], claim: PersistentVolumeClaim, options: MatchOptions): string[] {
  const { node, excluded, delayBinding } = options;
  const usable = volumes.filter(
    (volume) =>
      excluded?.has(volume.metadata.name) !== true &&
      (volume.spec.claimRef === undefined || isBoundToClaim(volume, claim)) &&
      compareQuantity(volumeCapacity(volume), requestedStorage(claim)) >= 0 &&
      volumeModeOf(volume) === volumeModeOf(claim),
  );
  const fits = (volume: PersistentVolume): boolean => node === undefined || volumeFitsNode(volume, node);
  const reserved = usable.filter((volume) => isBoundToClaim(volume, claim));
  if (reserved.length > 0) {
    const names = reserved.filter(fits).map(({ metadata }) => metadata.name);
    return names;
  }
  if (node === undefined && delayBinding === true) return [];
  const selector = claim.spec.selector === undefined ? undefined : labelMatcher(claim.spec.selector);
  const free = usable.filter(
    (volume) =>
      volume.status?.phase === 'Available' &&
      (selector === undefined || matchesLabels(selector, volume.metadata.labels)) &&
      classOf(volume) === classOf(claim) &&
      fits(volume) &&
      (node === undefined || hasAccessModes(claim, volume)),
  );
  const smallest = free.filter((one) => free.every((other) => compareQuantity(volumeCapacity(one), volumeCapacity(other)) <= 0));
  return smallest.map(({ metadata }) => metadata.name);
}

describe('binding a volume to a claim', () => {
  const claim = claimOf('c');
  const complete = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    namespace: 'ns',
    name: 'c',
    uid: 'uid-of-c',
    resourceVersion: '1',
  };

  it('notes the claim, and that the controller chose it', () => {
    const { spec, metadata } = boundVolume(volumeOf('v'), claim);
    assert.deepEqual([spec.claimRef, metadata.annotations], [complete, { [boundByControllerAnnotation]: 'yes' }]);
  });

  it("completes a user's reference without claiming it", () => {
    const { spec, metadata } = boundVolume(volumeOf('v', { claimRef: { namespace: 'ns', name: 'c' } }), claim);
    assert.deepEqual([spec.claimRef, metadata.annotations], [complete, undefined]);
  });

  it('changes nothing that is bound', () => {
    const volume = volumeOf('v', { claimRef: complete });
    assert.equal(boundVolume(volume, claim), volume);
  });

  for (const [why, ref] of [
    ['another name', { namespace: 'ns', name: 'd' }],
    ['another namespace', { namespace: 'other', name: 'c' }],
    ['an older claim of this name', { namespace: 'ns', name: 'c', uid: 'older' }],
  ] as const)
    it(`a reference to ${why} is not to the claim`, () =>
      assert.equal(isBoundToClaim(volumeOf('v', { claimRef: ref }), claim), false));
});

describe('node affinity of a volume', () => {
  it('is any node without a selector, and none by the name of the node', () => {
    const byName = {
      required: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }] },
    };
    assert.deepEqual(
      [volumeOf('v'), volumeOf('v', { nodeAffinity: inZone('a') }), volumeOf('v', { nodeAffinity: byName })].map((volume) =>
        volumeFitsNode(volume, { labels: { zone: 'a' } }),
      ),
      [true, true, false],
    );
  });

  it('costs little with 10,000 terms, for many nodes', () => {
    const nodeSelectorTerms = Array.from({ length: 10_000 }, (_, at) => ({
      matchExpressions: [{ key: `k${at}`, operator: 'Exists' }],
    }));
    const volume = volumeOf('v', { nodeAffinity: { required: { nodeSelectorTerms } } });
    const before = process.cpuUsage();
    for (let at = 0; at < 100; at++) assert.equal(volumeFitsNode(volume, { labels: { k9999: '' } }), true);
    const { user, system } = process.cpuUsage(before);
    assert.ok((user + system) / 1000 < 3_000);
  });
});
