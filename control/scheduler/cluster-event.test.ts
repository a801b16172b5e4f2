import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ClusterEvent, nodeChanges } from './cluster-event.ts';
import { node, type PodFixture, pod } from './objects.testing.ts';
import { mayHelp } from './queueing-hints.ts';

describe('mayHelp', () => {
  const added: ClusterEvent = { kind: 'nodeAdded', node: node('n', { labels: { zone: 'x' } }) };
  const updated = (...changes: ('labels' | 'taints' | 'unschedulable' | 'allocatable')[]): ClusterEvent => ({
    kind: 'nodeUpdated',
    node: node('n'),
    changes: new Set(changes),
  });
  const room: ClusterEvent = { kind: 'resourcesFreed', pod: pod('q') };
  const came: ClusterEvent = { kind: 'assignedPodChanged', pod: pod('q') };
  const cases: [string, ClusterEvent, string[], boolean, PodFixture?][] = [
    ['a new node, lack of cpu', added, ['NodeResourcesFit'], true],
    ['a new node that is too small', added, ['NodeResourcesFit'], false, { cpu: '5' }],
    ['a new node that is not wanted', added, ['NodeAffinity'], false, { nodeSelector: { zone: 'y' } }],
    ['a new node that is wanted', added, ['NodeAffinity'], true, { nodeSelector: { zone: 'x' } }],
    ['a new node, whatever it is, a spread pod', added, ['PodTopologySpread'], true, { cpu: '5' }],
    ['taints, untolerated taints', updated('taints'), ['TaintToleration'], true],
    ['taints, lack of cpu', updated('taints'), ['NodeResourcesFit'], false],
    ['uncordoning', updated('unschedulable'), ['NodeUnschedulable', 'NodeResourcesFit'], true],
    ['more capacity', updated('allocatable'), ['NodeResourcesFit'], true],
    ['other labels', updated('labels'), ['NodeAffinity'], true],
    ['other labels, lack of cpu', updated('labels'), ['NodeResourcesFit'], false],
    ['room, lack of cpu', room, ['NodeResourcesFit'], true],
    ['room, taken port', room, ['NodePorts'], true],
    ['room, untolerated taints', room, ['TaintToleration'], false],
    ['a pod that came, friends missing', came, ['InterPodAffinity'], true],
    ['a pod that came, lack of cpu', came, ['NodeResourcesFit'], false],
    ['a node that went, a spread pod', { kind: 'nodeDeleted' }, ['PodTopologySpread'], true],
    ['a node that went, lack of cpu', { kind: 'nodeDeleted' }, ['NodeResourcesFit'], false],
    ['namespace labels, friends missing', { kind: 'namespaceChanged' }, ['InterPodAffinity'], true],
    ['anything, no node at all', came, [], true],
  ];
  for (const [name, event, rejectedBy, expected, fixture] of cases) {
    it(`${name}: ${expected ? 'yes' : 'no'}`, () =>
      assert.equal(mayHelp(event, pod('p', { cpu: '1', ...fixture }), new Set(rejectedBy)), expected));
  }
});

describe('nodeChanges', () => {
  it('returns only changes that filters read', () => {
    const before = node('n');
    assert.deepEqual(nodeChanges(node('n', { images: [{ names: ['x'], sizeBytes: 1 }] }), before), new Set());
    const after = node('n', {
      labels: { a: 'b' },
      taints: [{ key: 'k', effect: 'NoSchedule' }],
      unschedulable: true,
      allocatable: { cpu: '5' },
    });
    assert.deepEqual(nodeChanges(after, before), new Set(['labels', 'taints', 'unschedulable', 'allocatable']));
  });
});
