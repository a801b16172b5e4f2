import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node, Pod } from '#api/types.generated.ts';
import { node, pod, snapshotOf } from './objects.testing.ts';
import { filterPlugins } from './plugins.ts';
import { smallestChanges } from './smallest-change.ts';

const remedies = (incoming: Pod, ...nodes: (Node | [Node, ...Pod[]])[]): string[] =>
  smallestChanges(incoming, snapshotOf(nodes), filterPlugins).map(({ node: name, changes }) => `${name}: ${changes.join('; ')}`);

describe('smallestChanges', () => {
  it('names nothing for a pod that fits', () => assert.deepEqual(remedies(pod('p'), node('a')), []));

  it('names the taint that keeps the pod off', () =>
    assert.deepEqual(remedies(pod('p'), node('a', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] })), [
      'a: take the taint k=v:NoSchedule from node a, or let the pod tolerate it',
    ]));

  it('names the label that the pod asks for', () =>
    assert.deepEqual(remedies(pod('p', { nodeSelector: { disk: 'ssd' } }), node('a')), ['a: label node a disk=ssd']));

  it('names all obstacles of a node, and prefers the node with the fewest', () =>
    assert.deepEqual(
      remedies(
        pod('p', { nodeSelector: { disk: 'ssd' } }),
        node('a', { unschedulable: true }),
        node('b', { unschedulable: true, labels: { disk: 'ssd' } }),
      ),
      ['b: uncordon node b', 'a: uncordon node a; label node a disk=ssd'],
    ));

  it('names the request that would fit, or one more node', () =>
    assert.deepEqual(remedies(pod('p', { cpu: '3' }), [node('a'), pod('q', { cpu: '2' })]), [
      'a: request at most 2000m cpu instead of 3000m',
      'a-copy: add a node like a',
    ]));

  it('does not name one more node where the pod is too large for any', () =>
    assert.deepEqual(remedies(pod('p', { cpu: '5' }), node('a')), ['a: request at most 4000m cpu instead of 5000m']));

  it('names the pod that is in the way', () =>
    assert.deepEqual(remedies(pod('p', { hostPort: 80 }), [node('a'), pod('q', { hostPort: 80 })]), [
      'a: delete pod default/q on node a',
      'a-copy: add a node like a',
    ]));

  it('names the gates of a gated pod', () =>
    assert.deepEqual(remedies(pod('p', { schedulingGates: [{ name: 'example.com/wait' }] }), node('a')), [
      "a: remove the pod's scheduling gates (example.com/wait)",
      "a-copy: remove the pod's scheduling gates (example.com/wait); add a node like a",
    ]));

  it('knows nothing against what it cannot change', () => assert.deepEqual(remedies(pod('p', { nodeName: 'x' }), node('a')), []));
});
