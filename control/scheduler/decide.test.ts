import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node, Pod } from '#api/types.generated.ts';
import { type Choice, chooseNode, type Nominations } from './decide.ts';
import { fitErrorMessage, truncateNote } from './messages.ts';
import { node, pod, snapshotOf } from './objects.testing.ts';
import { filterPlugins, scorePlugins } from './plugins.ts';

const plugins = { filters: filterPlugins, scores: scorePlugins };
const choose = (
  incoming: Pod,
  nodes: (Node | [Node, ...Pod[]])[],
  nominations: Nominations = new Map(),
  random = () => 0,
): Choice => chooseNode(incoming, snapshotOf(nodes), nominations, plugins, random);

const messageOf = ({ verdicts, refusal }: Choice): string =>
  fitErrorMessage({ nodeCount: verdicts.length, refusal, rejections: verdicts.flatMap(({ rejection }) => rejection ?? []) });

describe('chooseNode', () => {
  it('chooses the emptiest node and returns every score', () => {
    const choice = choose(pod('p', { cpu: '1' }), [[node('a'), pod('q', { cpu: '2' })], node('b')]);
    assert.equal(choice.node, 'b');
    const [a, b] = choice.verdicts;
    assert.deepEqual(
      a?.scores?.map(({ plugin, weight }) => `${plugin} ${weight}`),
      ['TaintToleration 3', 'NodeResourcesFit 1', 'NodeResourcesBalancedAllocation 1', 'ImageLocality 1'],
    );
    assert.ok((a?.total ?? 0) < (b?.total ?? 0));
    assert.equal(
      b?.total,
      b?.scores?.reduce((sum, { score, weight }) => sum + score * weight, 0),
    );
  });

  it('breaks ties with the given random number', () => {
    const nodes = [node('a'), node('b'), node('c')];
    assert.deepEqual(
      [0, 0.4, 0.99].map((number) => choose(pod('p'), nodes, new Map(), () => number).node),
      ['a', 'b', 'c'],
    );
  });

  it('does not score when only one node fits', () => {
    const choice = choose(pod('p'), [node('a'), node('b', { unschedulable: true })]);
    assert.equal(choice.node, 'a');
    assert.deepEqual(choice.verdicts[0], { node: 'a' });
  });

  it('counts reasons over nodes and sorts them as text', () => {
    const tainted = node('a', { taints: [{ key: 'k', effect: 'NoSchedule' }] });
    const choice = choose(pod('p', { cpu: '3' }), [
      tainted,
      [node('b'), pod('q', { cpu: '2' })],
      [node('c'), pod('r', { cpu: '3' })],
    ]);
    assert.equal(choice.node, undefined);
    assert.equal(messageOf(choice), '0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.');
    assert.deepEqual([...choice.rejectedBy].sort(), ['NodeResourcesFit', 'TaintToleration']);
  });

  it('gives the reason once when a filter refuses all nodes', () => {
    const fields = ['a', 'b'].map((name) => ({ key: 'metadata.name', operator: 'In', values: [name] }));
    const terms = [{ matchFields: fields }];
    const contradictory = pod('p', {
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
    });
    assert.equal(
      messageOf(choose(contradictory, [node('a'), node('b')])),
      '0/2 nodes are available: pod affinity terms conflict.',
    );
  });

  it('names the plugin that limits the nodes to check', () => {
    const terms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] }];
    const daemon = pod('p', {
      cpu: '5',
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
    });
    const text = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].";
    assert.equal(messageOf(choose(daemon, [node('a'), node('b'), node('c')])), text);
  });

  it('does not use resources that are nominated to a pod of the same or a higher priority', () => {
    const nominations = new Map([['a', [pod('q', { cpu: '3', priority: 10 })]]]);
    assert.equal(choose(pod('p', { cpu: '2', priority: 10 }), [node('a')], nominations).node, undefined);
    assert.equal(choose(pod('p', { cpu: '2', priority: 11 }), [node('a')], nominations).node, 'a');
    assert.equal(choose(pod('q', { cpu: '3', priority: 10 }), [node('a')], nominations).node, 'a', 'its own');
  });

  it('checks the pod’s nominated node first', () => {
    const nominated = pod('p', { cpu: '1', status: { nominatedNodeName: 'a' } });
    assert.equal(choose(nominated, [[node('a'), pod('q', { cpu: '3' })], node('b')]).node, 'a');
    assert.equal(choose(nominated, [[node('a'), pod('q', { cpu: '4' })], node('b')]).node, 'b');
  });
});

describe('truncateNote', () => {
  it('keeps what fits in an event', () => {
    assert.equal(truncateNote('x'.repeat(1024)).length, 1024);
    assert.equal(truncateNote('x'.repeat(1025)), `${'x'.repeat(1020)} ...`);
  });
});
