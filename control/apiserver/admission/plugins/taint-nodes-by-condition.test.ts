import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, objectOf } from '../admission.testing.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
const node = (taints?: object[]) => objectOf('Node', 'n', undefined, taints === undefined ? {} : { spec: { taints } });

describe('TaintNodesByCondition', () => {
  it('keeps pods away from a new node', async () => {
    assert.deepEqual(await ask(taintNodesByCondition(), 'create', { object: node() }), node([notReady]));
    const other = { ...notReady, effect: 'NoExecute' };
    assert.deepEqual(await ask(taintNodesByCondition(), 'create', { object: node([other]) }), node([other, notReady]));
  });

  it('adds nothing that is there, nothing on update, and nothing to other kinds', async () => {
    const valued = { ...notReady, value: 'x' };
    assert.deepEqual(await ask(taintNodesByCondition(), 'create', { object: node([valued]) }), node([valued]));
    assert.deepEqual(await ask(taintNodesByCondition(), 'update', { object: node(), old: node() }), node());
    const map = objectOf('ConfigMap', 'm', 'ns');
    assert.deepEqual(await ask(taintNodesByCondition(), 'create', { object: map }), map);
  });
});
