import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeSelectorTerm, PodSpec } from '../types.generated.ts';
import { namedNodes, nodeSelectorTerm, requiredNodeAffinity } from './node-selector.ts';

const node = { name: 'worker-1', labels: { zone: 'a', cores: '8', big: '9007199254740993' } };
const expression = (key: string, operator: string, ...values: string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key, operator, values }],
});
const field = (key: string, operator: string, ...values: string[]): NodeSelectorTerm => ({
  matchFields: [{ key, operator, values }],
});

describe('a node selector term', () => {
  const cases: [what: string, term: NodeSelectorTerm, expected: boolean][] = [
    ['In', expression('zone', 'In', 'b', 'a'), true],
    ['In of an absent label', expression('rack', 'In', 'a'), false],
    ['NotIn', expression('zone', 'NotIn', 'a'), false],
    ['NotIn of an absent label', expression('rack', 'NotIn', 'a'), true],
    ['Exists', expression('zone', 'Exists'), true],
    ['DoesNotExist', expression('zone', 'DoesNotExist'), false],
    ['Gt compares numbers, not texts', expression('cores', 'Gt', '10'), false],
    ['Gt', expression('cores', 'Gt', '7'), true],
    ['Lt', expression('cores', 'Lt', '8'), false],
    ['Gt of an absent label', expression('rack', 'Gt', '1'), false],
    ['Gt of a label that is no number', expression('zone', 'Gt', '1'), false],
    ['Gt beyond 2^53', expression('big', 'Gt', '9007199254740992'), true],
    ['Gt of a bound that is no integer cannot be read', expression('cores', 'Gt', '7.5'), false],
    ['In without values cannot be read', expression('zone', 'In'), false],
    ['Exists with values cannot be read', expression('zone', 'Exists', 'a'), false],
    ['an unknown operator cannot be read', expression('zone', 'Like', 'a'), false],
    ['names of the prototype are no labels', expression('constructor', 'Exists'), false],
    ['an empty term', {}, false],
    ['the name', field('metadata.name', 'In', 'worker-1'), true],
    ['not the name', field('metadata.name', 'NotIn', 'worker-1'), false],
    ['two names cannot be read', field('metadata.name', 'In', 'worker-1', 'worker-2'), false],
    ['another field is empty', field('metadata.uid', 'In', 'x'), false],
    ['fields and labels together', { ...expression('zone', 'In', 'a'), ...field('metadata.name', 'In', 'worker-2') }, false],
  ];
  for (const [what, term, expected] of cases) it(what, () => assert.equal(nodeSelectorTerm(term)(node), expected));
});

describe('required node affinity', () => {
  const spec = (more: Partial<PodSpec>): { spec: PodSpec } => ({ spec: { containers: [], ...more } });
  const terms = (...nodeSelectorTerms: NodeSelectorTerm[]): Partial<PodSpec> => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  });
  const cases: [what: string, spec: Partial<PodSpec>, expected: boolean][] = [
    ['none', {}, true],
    ['a label of nodeSelector', { nodeSelector: { zone: 'a' } }, true],
    ['two labels of nodeSelector, one absent', { nodeSelector: { zone: 'a', rack: '1' } }, false],
    ['a name of the prototype in nodeSelector', { nodeSelector: { constructor: 'x' } }, false],
    ['one of several terms', terms(expression('zone', 'In', 'b'), expression('cores', 'Exists')), true],
    ['no terms at all', terms(), false],
    ['an unreadable term beside a good one', terms(expression('zone', 'Like', 'a'), expression('zone', 'Exists')), true],
    ['nodeSelector and terms', { nodeSelector: { zone: 'b' }, ...terms(expression('zone', 'Exists')) }, false],
  ];
  for (const [what, more, expected] of cases) it(what, () => assert.equal(requiredNodeAffinity(spec(more))(node), expected));

  it('names the only nodes that can match', () => {
    assert.deepEqual(
      namedNodes(spec(terms(field('metadata.name', 'In', 'a'), field('metadata.name', 'In', 'b')))),
      new Set(['a', 'b']),
    );
    assert.equal(namedNodes(spec(terms(field('metadata.name', 'In', 'a'), expression('zone', 'Exists')))), undefined);
    assert.equal(namedNodes(spec({})), undefined);
  });
});
