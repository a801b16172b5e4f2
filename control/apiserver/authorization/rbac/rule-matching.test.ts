import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PolicyRule } from '#api/types.generated.ts';
import { type RuleRequest, ruleAllows } from './rule-matching.ts';

const rule = (verbs: string, apiGroups: string, resources: string, ...resourceNames: string[]): PolicyRule => ({
  verbs: verbs.split(','),
  apiGroups: apiGroups.split(','),
  resources: resources.split(','),
  ...(resourceNames.length === 0 ? {} : { resourceNames }),
});
const paths = (verbs: string, ...nonResourceURLs: string[]): PolicyRule => ({ verbs: verbs.split(','), nonResourceURLs });

/** `get pods/log web`, `get deployments.apps`, `get /healthz`. */
function request(text: string): RuleRequest {
  const [verb = '', what = '', name = ''] = text.split(' ');
  const none = { group: '', resource: '', subresource: '', name, path: '' };
  if (what.startsWith('/')) return { ...none, verb, isResource: false, path: what };
  const [whole = '', subresource = ''] = what.split('/');
  const dot = whole.indexOf('.');
  const [resource, group] = dot < 0 ? [whole, ''] : [whole.slice(0, dot), whole.slice(dot + 1)];
  return { ...none, verb, isResource: true, group, resource, subresource };
}

describe('a rule', () => {
  const cases: [rule: PolicyRule, allows: string[], not: string[]][] = [
    [
      rule('get,list', '', 'pods'),
      ['get pods web', 'list pods'],
      ['watch pods', 'get pods/log web', 'get pods.apps web', 'get nodes'],
    ],
    [rule('*', '*', '*'), ['get pods', 'delete deployments.apps/scale web', 'made-up x.y/z'], ['get /healthz']],
    [rule('get', '', 'pods/log'), ['get pods/log web'], ['get pods web', 'get pods/exec web', 'get services/log web']],
    [
      rule('update', '*', '*/scale'),
      ['update deployments.apps/scale web', 'update x.y/scale a'],
      ['update deployments.apps web', 'update pods/scales a', 'get deployments.apps/scale web'],
    ],
    [rule('get', '', 'pods/*'), [], ['get pods web', 'get pods/log web']],
    [rule('get', '', '*/log'), ['get pods/log web'], ['get pods web', 'get pods/xlog web']],
    [
      rule('get,create', '', 'configmaps', 'a', 'b'),
      ['get configmaps a', 'get configmaps b'],
      ['get configmaps c', 'get configmaps', 'create configmaps'],
    ],
    [rule('get', 'apps,extensions', 'deployments,replicasets'), ['get replicasets.extensions a'], ['get deployments a']],
    [
      paths('get', '/healthz', '/api/*'),
      ['get /healthz', 'get /api/', 'get /api/v1'],
      ['get /api', 'get /healthz/ping', 'post /healthz', 'get pods'],
    ],
    [paths('*', '*'), ['post /anything', 'get /'], ['get pods']],
    [paths('get', '/metrics**'), ['get /metrics', 'get /metrics/slis'], ['get /metric']],
    [paths('get', '/a*b'), ['get /a*b'], ['get /axb']],
    [{ verbs: ['get'] }, [], ['get pods a', 'get /healthz']],
  ];
  for (const [one, allows, not] of cases)
    it(JSON.stringify(one), () => {
      for (const text of allows) assert.ok(ruleAllows(request(text), one), `allows ${text}`);
      for (const text of not) assert.ok(!ruleAllows(request(text), one), `does not allow ${text}`);
    });
});
