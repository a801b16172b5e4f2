import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FlowControlSubject, FlowSchema, NonResourcePolicyRule, ResourcePolicyRule } from '#api/types.generated.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { matchesFlowSchema } from './matching.ts';

const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups, extra: {} });
const jane = user('jane', 'dev', 'system:authenticated');
const account = user('system:serviceaccount:ns:robot', 'system:serviceaccounts');
const everybody: FlowControlSubject = { kind: 'Group', group: { name: '*' } };
const schema = (subjects: FlowControlSubject[], resourceRules: ResourcePolicyRule[], nonResourceRules: NonResourcePolicyRule[]) =>
  ({ spec: { rules: [{ subjects, resourceRules, nonResourceRules }] } }) as unknown as FlowSchema;
const all: ResourcePolicyRule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true };
const pods = '/api/v1/namespaces/ns/pods';

describe('a FlowSchema is about', () => {
  const subjects: [FlowControlSubject, UserInfo, boolean][] = [
    [{ kind: 'User', user: { name: 'jane' } }, jane, true],
    [{ kind: 'User', user: { name: '*' } }, jane, true],
    [{ kind: 'User', user: { name: 'joe' } }, jane, false],
    [{ kind: 'User' }, jane, false],
    [{ kind: 'Group', group: { name: 'dev' } }, jane, true],
    [{ kind: 'Group', group: { name: 'ops' } }, jane, false],
    [everybody, user('x'), true],
    [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'ns', name: 'robot' } }, account, true],
    [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'ns', name: '*' } }, account, true],
    [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'n', name: '*' } }, account, false],
    [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'ns', name: 'rob' } }, account, false],
    [{ kind: 'Robot' }, account, false],
  ];
  for (const [subject, one, expected] of subjects)
    it(`${JSON.stringify(subject)}: ${one.name} ${expected ? '' : 'not '}`, () => {
      assert.equal(matchesFlowSchema(schema([subject], [all], []), parseRequestInfo('GET', pods), one), expected);
    });

  const requests: [method: string, path: string, ResourcePolicyRule, boolean][] = [
    ['GET', pods, all, true],
    ['GET', pods, { ...all, verbs: ['list'] }, true],
    ['GET', pods, { ...all, verbs: ['get'] }, false],
    ['GET', `${pods}/a/log`, { ...all, resources: ['pods'] }, false],
    ['GET', `${pods}/a/log`, { ...all, resources: ['pods/log'] }, true],
    ['GET', pods, { ...all, apiGroups: ['apps'] }, false],
    ['GET', pods, { ...all, namespaces: ['other'] }, false],
    ['GET', pods, { ...all, namespaces: ['ns'], clusterScope: false }, true],
    ['GET', '/api/v1/nodes', { ...all, clusterScope: false }, false],
    ['GET', '/api/v1/nodes', { verbs: ['*'], apiGroups: ['*'], resources: ['nodes'], clusterScope: true }, true],
    ['GET', pods, { ...all, verbs: ['*', 'get'] }, false],
    ['GET', '/version', all, false],
  ];
  for (const [method, path, rule, expected] of requests)
    it(`${method} ${path} ${expected ? '' : 'not '}by ${JSON.stringify(rule)}`, () => {
      assert.equal(matchesFlowSchema(schema([everybody], [rule], []), parseRequestInfo(method, path), jane), expected);
    });

  const paths: [path: string, url: string, boolean][] = [
    ['/healthz', '/healthz', true],
    ['/healthz/etcd', '/healthz', true],
    ['/healthzz', '/healthz', false],
    ['/logs/a', '/logs/*', true],
    ['/logs', '/logs/*', false],
    ['/anything', '*', true],
    ['/anything', '/', true],
  ];
  for (const [path, url, expected] of paths)
    it(`${path} ${expected ? '' : 'not '}by ${url}`, () => {
      const rule = { verbs: ['get'], nonResourceURLs: [url] };
      assert.equal(matchesFlowSchema(schema([everybody], [], [rule]), parseRequestInfo('GET', path), jane), expected);
    });
});
