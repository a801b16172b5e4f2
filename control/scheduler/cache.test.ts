import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SchedulerCache } from './cache.ts';
import { nodeInfo } from './node-info.ts';
import { node, pod } from './objects.testing.ts';

const podsOn = (cache: SchedulerCache, name: string): string[] =>
  cache
    .nodeInfos()
    .find((info) => info.name === name)
    ?.pods.map(({ metadata }) => metadata.name) ?? [];

describe('SchedulerCache', () => {
  it('counts an assumed pod until it is forgotten', () => {
    const cache = new SchedulerCache();
    cache.setNode(node('a'));
    cache.assume(pod('p', { cpu: '1' }), 'a');
    assert.equal(cache.nodeInfos()[0]?.requested.cpu, 1000);
    cache.forget('uid-p');
    assert.deepEqual([podsOn(cache, 'a'), cache.nodeInfos()[0]?.requested.cpu], [[], 0]);
  });

  it('keeps a pod that the API has confirmed', () => {
    const cache = new SchedulerCache();
    cache.setNode(node('a'));
    cache.assume(pod('p'), 'a');
    cache.setPod(pod('p', { nodeName: 'a' }), 'a');
    cache.forget('uid-p');
    assert.deepEqual(podsOn(cache, 'a'), ['p']);
  });

  it('takes the node of a pod from the API', () => {
    const cache = new SchedulerCache();
    cache.setNode(node('a'));
    cache.setNode(node('b'));
    cache.assume(pod('p'), 'a');
    cache.setPod(pod('p', { nodeName: 'b' }), 'b');
    assert.deepEqual([podsOn(cache, 'a'), podsOn(cache, 'b')], [[], ['p']]);
  });

  it('counts the pods of a node that appears after them', () => {
    const cache = new SchedulerCache();
    cache.setPod(pod('p', { nodeName: 'a' }), 'a');
    assert.deepEqual(cache.nodeInfos(), []);
    cache.setNode(node('a'));
    assert.deepEqual(podsOn(cache, 'a'), ['p']);
  });

  it('has the same sums after single steps as after a new computation', () => {
    const step = fc.record({
      pod: fc.integer({ min: 0, max: 4 }),
      node: fc.constantFrom('a', 'b'),
      action: fc.constantFrom('set', 'assume', 'remove', 'forget', 'look'),
      millis: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const cache = new SchedulerCache();
        cache.setNode(node('a'));
        cache.setNode(node('b'));
        for (const { pod: index, node: name, action, millis } of steps) {
          const one = pod(`p${index}`, { cpu: `${millis}m` });
          if (action === 'set') cache.setPod(one, name);
          if (action === 'assume') cache.assume(one, name);
          if (action === 'remove') cache.removePod(one.metadata.uid);
          if (action === 'forget') cache.forget(one.metadata.uid);
          if (action === 'look') cache.nodeInfos();
        }
        for (const info of cache.nodeInfos()) {
          const recomputed = nodeInfo(info.node, info.pods);
          assert.equal(info.requested.cpu ?? 0, recomputed.requested.cpu ?? 0);
          assert.equal(info.nonZeroRequested.memory ?? 0, recomputed.nonZeroRequested.memory ?? 0);
        }
      }),
    );
  });
});
