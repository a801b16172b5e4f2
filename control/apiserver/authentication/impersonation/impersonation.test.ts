import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { ApiError } from '#api/status.ts';
import { type AuthorizationAttributes, type Authorizer, noOpinion } from '../../authorization/authorization.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { headerValues } from '../header-values.ts';
import { Impersonation } from './impersonation.ts';
import { ImpersonationMetrics } from './impersonation-metrics.ts';

const requestor: UserInfo = { name: 'joe', groups: ['devs'], extra: {} };
const podAccount: UserInfo = {
  name: 'system:serviceaccount:ns:agent',
  groups: [],
  extra: { 'authentication.kubernetes.io/node-name': ['n1'], 'authentication.kubernetes.io/pod-name': ['p'] },
};

/** Authorization requests as `verb group/resource[/subresource] namespace/name`. Those in `may` are allowed. */
const text = ({ verb, group, resource, subresource, namespace, name, isResource, path }: AuthorizationAttributes): string =>
  isResource
    ? `${verb} ${group === '' ? 'core' : group}/${resource}${subresource === '' ? '' : `/${subresource}`} ${namespace === '' ? '' : `${namespace}/`}${name}`
    : `${verb} ${path}`;

function world(may: readonly string[]) {
  const asked: string[] = [];
  const users: UserInfo[] = [];
  const authorizer: Authorizer = {
    authorize(attributes) {
      asked.push(text(attributes));
      users.push(attributes.user);
      return may.includes(text(attributes)) ? { allowed: true, reason: '' } : noOpinion();
    },
    rules: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false }),
  };
  const registry = new Registry();
  const impersonation = new Impersonation(authorizer, new ImpersonationMetrics(registry));
  const act = async (
    headers: Record<string, string | string[]>,
    user = requestor,
    more: Partial<AuthorizationAttributes> = {},
  ) => {
    asked.length = 0;
    const raw = Object.entries(headers).flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value]));
    const attributes: AuthorizationAttributes = {
      user,
      verb: 'list',
      isResource: true,
      group: '',
      version: 'v1',
      resource: 'pods',
      subresource: '',
      namespace: 'ns',
      name: '',
      path: '',
      ...more,
    };
    try {
      const { name, uid, groups, extra } = await impersonation.userOf(headerValues(raw), attributes);
      return { name, groups, ...(uid === undefined ? {} : { uid }), ...(Object.keys(extra).length === 0 ? {} : { extra }) };
    } catch (error) {
      if (error instanceof ApiError) return `${error.code} ${error.message}`;
      throw error;
    }
  };
  return { act, asked, users, metrics: () => registry.metrics() };
}

const authenticated = 'system:authenticated';

describe('who may act as another user', () => {
  it('asks first whether the request may be made so, and then for the user', async () => {
    const { act, asked } = world([
      'impersonate-on:user-info:list core/pods ns/',
      'impersonate:user-info authentication.k8s.io/users jane',
    ]);
    assert.deepEqual(await act({ 'impersonate-user': 'jane' }), { name: 'jane', groups: [authenticated] });
    assert.deepEqual(asked, [
      'impersonate-on:user-info:list core/pods ns/',
      'impersonate:user-info authentication.k8s.io/users jane',
    ]);
    // Another request is allowed by no mode: the first error is returned.
    assert.equal(
      await act({ 'impersonate-user': 'jane' }, requestor, { verb: 'create' }),
      '403 pods is forbidden: User "joe" cannot impersonate-on:user-info:create resource "pods" in API group "" in the namespace "ns"',
    );
  });

  it('tells of the user, where the request alone would be allowed', async () => {
    const { act } = world(['impersonate-on:user-info:list core/pods ns/']);
    assert.equal(
      await act({ 'impersonate-user': 'jane' }),
      '403 users.authentication.k8s.io "jane" is forbidden: User "joe" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope',
    );
  });

  it('asks of paths that are no resources', async () => {
    const { act } = world(['impersonate-on:user-info:get /metrics', 'impersonate:user-info authentication.k8s.io/users jane']);
    const path = { verb: 'get', isResource: false, path: '/metrics', resource: '', namespace: '' };
    assert.deepEqual(await act({ 'impersonate-user': 'jane' }, requestor, path), { name: 'jane', groups: [authenticated] });
  });

  const on = (mode: string): string => `impersonate-on:${mode}:list core/pods ns/`;
  const cases: [
    what: string,
    may: string[],
    headers: Record<string, string | string[]>,
    user: UserInfo,
    expected: object | RegExp,
  ][] = [
    [
      'a service account',
      [on('serviceaccount'), 'impersonate:serviceaccount authentication.k8s.io/serviceaccounts ns/sa'],
      { 'impersonate-user': 'system:serviceaccount:ns:sa' },
      requestor,
      { name: 'system:serviceaccount:ns:sa', groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', authenticated] },
    ],
    [
      'a service account, not as another user',
      [on('user-info'), 'impersonate:user-info authentication.k8s.io/users system:serviceaccount:ns:sa'],
      { 'impersonate-user': 'system:serviceaccount:ns:sa' },
      requestor,
      /^403 pods is forbidden: .* impersonate-on:serviceaccount:list/,
    ],
    [
      'any node',
      [on('arbitrary-node'), 'impersonate:arbitrary-node authentication.k8s.io/nodes n1'],
      { 'impersonate-user': 'system:node:n1' },
      requestor,
      { name: 'system:node:n1', groups: ['system:nodes', authenticated] },
    ],
    [
      'a node with a group, which no mode but the old one has',
      [on('arbitrary-node'), 'impersonate:arbitrary-node authentication.k8s.io/nodes n1'],
      { 'impersonate-user': 'system:node:n1', 'impersonate-group': 'x' },
      requestor,
      /^403 users "system:node:n1" is forbidden: User "joe" cannot impersonate resource "users" in API group ""/,
    ],
    [
      'its own node, by any',
      [on('associated-node'), 'impersonate:associated-node authentication.k8s.io/nodes *'],
      { 'impersonate-user': 'system:node:n1' },
      podAccount,
      { name: 'system:node:n1', groups: ['system:nodes', authenticated] },
    ],
    [
      'another node than its own',
      [on('associated-node'), 'impersonate:associated-node authentication.k8s.io/nodes *'],
      { 'impersonate-user': 'system:node:n2' },
      podAccount,
      /impersonate-on:arbitrary-node:list/,
    ],
    [
      'a node, as who is no service account',
      [on('associated-node'), 'impersonate:associated-node authentication.k8s.io/nodes *'],
      { 'impersonate-user': 'system:node:n1' },
      { ...podAccount, name: 'joe' },
      /impersonate-on:arbitrary-node:list/,
    ],
    [
      'the administrators',
      [
        on('user-info'),
        'impersonate:user-info authentication.k8s.io/users jane',
        'impersonate:user-info authentication.k8s.io/groups system:masters',
      ],
      { 'impersonate-user': 'jane', 'impersonate-group': 'system:masters' },
      requestor,
      /^403 groups\.authentication\.k8s\.io "system:masters" is forbidden: .*: impersonating the system:masters group is not allowed$/,
    ],
    [
      'the administrators, by the mode of old',
      ['impersonate core/users jane', 'impersonate core/groups system:masters'],
      { 'impersonate-user': 'jane', 'impersonate-group': 'system:masters' },
      requestor,
      { name: 'jane', groups: ['system:masters', authenticated] },
    ],
    [
      'many groups, with one question',
      [
        on('user-info'),
        'impersonate:user-info authentication.k8s.io/users jane',
        'impersonate:user-info authentication.k8s.io/groups *',
      ],
      { 'impersonate-user': 'jane', 'impersonate-group': ['a', 'b', 'c', 'd'] },
      requestor,
      { name: 'jane', groups: ['a', 'b', 'c', 'd', authenticated] },
    ],
    [
      'few groups, one by one',
      [
        on('user-info'),
        'impersonate:user-info authentication.k8s.io/users jane',
        'impersonate:user-info authentication.k8s.io/groups *',
      ],
      { 'impersonate-user': 'jane', 'impersonate-group': ['a'] },
      requestor,
      /groups\.authentication\.k8s\.io "a" is forbidden/,
    ],
    [
      'extras and a UID',
      [
        on('user-info'),
        'impersonate:user-info authentication.k8s.io/users jane',
        'impersonate:user-info authentication.k8s.io/uids 7',
        'impersonate:user-info authentication.k8s.io/userextras/acme.io/k v',
      ],
      { 'impersonate-user': 'jane', 'impersonate-uid': '7', 'impersonate-extra-acme.io%2fk': 'v' },
      requestor,
      { name: 'jane', uid: '7', groups: [authenticated], extra: { 'acme.io/k': ['v'] } },
    ],
    [
      'an extra without a domain',
      [
        on('user-info'),
        'impersonate:user-info authentication.k8s.io/users jane',
        'impersonate:user-info authentication.k8s.io/userextras/k v',
      ],
      { 'impersonate-user': 'jane', 'impersonate-extra-k': 'v' },
      requestor,
      /impersonating an invalid key in extra is not allowed: extra\.key: Invalid value: "k": must be a domain-prefixed path/,
    ],
    [
      'nobody',
      [on('user-info'), 'impersonate:user-info authentication.k8s.io/users system:anonymous'],
      { 'impersonate-user': 'system:anonymous' },
      requestor,
      { name: 'system:anonymous', groups: ['system:unauthenticated'] },
    ],
    [
      'a group without a user',
      [],
      { 'impersonate-group': 'a' },
      requestor,
      /^400 requested &user\.DefaultInfo.* without impersonating a user name$/,
    ],
  ];
  for (const [what, may, headers, user, expected] of cases)
    it(`${what}: ${expected instanceof RegExp ? 'refused' : 'allowed'}`, async () => {
      const answer = await world(may).act(headers, user);
      if (expected instanceof RegExp) assert.match(typeof answer === 'string' ? answer : JSON.stringify(answer), expected);
      else assert.deepEqual(answer, expected);
    });

  it('shows the authorizer only the names of a pod account’s extras', async () => {
    const { act, users } = world([on('associated-node'), 'impersonate:associated-node authentication.k8s.io/nodes *']);
    await act({ 'impersonate-user': 'system:node:n1' }, podAccount);
    for (const { extra } of users)
      assert.deepEqual(extra, {
        'authentication.kubernetes.io/associated-node-keys': [
          'authentication.kubernetes.io/node-name',
          'authentication.kubernetes.io/pod-name',
        ],
      });
  });

  it('asks the last mode that allowed it first, and counts', async () => {
    const { act, asked, metrics } = world(['impersonate core/users jane']);
    await act({ 'impersonate-user': 'jane' });
    assert.deepEqual(asked, [on('user-info'), 'impersonate core/users jane']);
    await act({ 'impersonate-user': 'jane' });
    assert.deepEqual(asked, ['impersonate core/users jane']);
    await act({ 'impersonate-user': 'joan' });
    assert.deepEqual(asked, ['impersonate core/users joan', on('user-info')]);
    const counted = await metrics();
    assert.match(counted, /^apiserver_impersonation_attempts_total\{mode="legacy",decision="allowed"\} 2$/m);
    assert.match(counted, /^apiserver_impersonation_attempts_total\{mode="",decision="denied"\} 1$/m);
    assert.match(counted, /^apiserver_impersonation_authorization_attempts_total\{mode="user-info",decision="denied"\} 2$/m);
  });
});
