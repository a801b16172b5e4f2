import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PolicyRule } from '#api/types.generated.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { escalation, uncovered } from './escalation.ts';

const rule = (verbs: string, apiGroups: string, resources: string, ...resourceNames: string[]): PolicyRule => ({
  verbs: verbs.split(','),
  apiGroups: apiGroups.split(','),
  resources: resources.split(','),
  ...(resourceNames.length === 0 ? {} : { resourceNames }),
});
const paths = (verbs: string, ...nonResourceURLs: string[]): PolicyRule => ({ verbs: verbs.split(','), nonResourceURLs });

describe('what somebody has covers what they grant', () => {
  const cases: [name: string, owned: PolicyRule[], wanted: PolicyRule[], missing: PolicyRule[]][] = [
    ['the same', [rule('get', '', 'pods')], [rule('get', '', 'pods')], []],
    ['in parts, by several rules', [rule('get', '', 'pods'), rule('list', '', 'pods,nodes')], [rule('get,list', '', 'pods')], []],
    ['not what is missing of it', [rule('get', '', 'pods')], [rule('get,list', '', 'pods')], [rule('list', '', 'pods')]],
    ['with stars', [rule('*', '*', '*')], [rule('get', 'apps', 'deployments/scale', 'x'), rule('*', '*', '*')], []],
    ['a star only by a star', [rule('get,list,watch', '', 'pods')], [rule('*', '', 'pods')], [rule('*', '', 'pods')]],
    ['a subresource by */subresource', [rule('get', '', '*/scale')], [rule('get', '', 'pods/scale')], []],
    ['no resource by its subresources', [rule('get', '', '*/scale')], [rule('get', '', 'pods')], [rule('get', '', 'pods')]],
    ['names by all names', [rule('get', '', 'pods')], [rule('get', '', 'pods', 'a', 'b')], []],
    ['all names not by some', [rule('get', '', 'pods', 'a')], [rule('get', '', 'pods')], [rule('get', '', 'pods')]],
    ['names one by one', [rule('get', '', 'pods', 'a')], [rule('get', '', 'pods', 'a', 'b')], [rule('get', '', 'pods', 'b')]],
    ['paths by prefixes', [paths('get', '/api/*')], [paths('get', '/api/v1', '/api/*', '/apis')], [paths('get', '/apis')]],
    ['nothing by nothing', [], [], []],
  ];
  for (const [name, owned, wanted, missing] of cases) it(name, () => assert.deepEqual(uncovered(owned, wanted), missing));

  it('else it says who lacks what, sorted, one line for the verbs of a resource', () => {
    const jane = { name: 'jane', groups: ['devs', 'system:authenticated'], extra: {} };
    const wanted = [rule('list,get', '', 'secrets'), rule('get', 'apps', 'deployments', 'web'), paths('get,post', '/x')];
    const text = escalation(jane, [], ['role.rbac.authorization.k8s.io "gone" not found'], wanted);
    const lines = [
      'user "jane" (groups=["devs" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:',
      '{APIGroups:[""], Resources:["secrets"], Verbs:["list" "get"]}',
      '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["web"], Verbs:["get"]}',
      '{NonResourceURLs:["/x"], Verbs:["get"]}',
      '{NonResourceURLs:["/x"], Verbs:["post"]}; resolution errors: role.rbac.authorization.k8s.io "gone" not found',
    ];
    assert.equal(text, lines.join('\n'));
    assert.equal(escalation(jane, wanted, [], wanted), undefined);
  });

  it('is told in time, however large the rules are', () => {
    const many = (letter: string): string[] => Array.from({ length: 30_000 }, (_, index) => `${letter}${index}`);
    const huge = { verbs: many('v'), apiGroups: many('g'), resources: many('r'), resourceNames: many('n') };
    const jane = { name: 'jane', groups: [], extra: {} };
    const startMs = performance.now();
    assert.match(
      escalation(jane, [rule('get', '', 'pods')], [], [huge]) ?? '',
      /too many combinations of verbs and resources to tell whether all are held/,
    );
    assert.equal(escalation(jane, [rule('get', '', 'pods'), rule('*', '*', '*')], [], [huge]), undefined);
    assert.equal(escalation(jane, [huge], [], [huge]), undefined);
    assert.ok(performance.now() - startMs < 10_000);
  });

  it('is told in time, however many rules are held', () => {
    const jane = { name: 'jane', groups: [], extra: {} };
    const owned = Array.from({ length: 10_000 }, (_, index) => rule('get', '', 'pods', `held${index}`));
    const others = Array.from({ length: 10_000 }, (_, index) => rule('get', '', `other${index}`));
    const wanted = rule('get', '', 'pods', ...Array.from({ length: 10_000 }, (_, index) => `wanted${index}`));
    const before = cpuMs();
    assert.match(
      escalation(jane, owned, [], [wanted]) ?? '',
      /too many combinations of verbs and resources to tell whether all are held/,
    );
    assert.match(escalation(jane, others, [], [wanted]) ?? '', /ResourceNames:\["wanted9999"\]/);
    assert.equal(escalation(jane, others, [], others), undefined);
    const tookMs = cpuMs() - before;
    assert.ok(tookMs < 5000, `${tookMs} ms`);
  });

  it('is told in a text of bounded length, however long the words are', () => {
    const jane = { name: 'jane', groups: [], extra: {} };
    const long = 'x'.repeat(100_000);
    const names = Array.from({ length: 10_000 }, (_, index) => `n${index}`);
    for (const wanted of [rule(long, '', 'pods', ...names), rule('get', long, 'pods', ...names), paths(long, ...names)]) {
      const text = escalation(jane, [], [], [wanted]) ?? '';
      assert.ok(text.endsWith('\n…'));
      assert.ok(text.length < 3_000_000, `${text.length} characters`);
    }
  });
});
