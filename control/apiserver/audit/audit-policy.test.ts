import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuthorizationAttributes } from '../authorization/authorization.ts';
import { auditChoice, parseAuditPolicy } from './audit-policy.ts';

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';
const parse = (text: string) => parseAuditPolicy(`${head}${text}`);
const asked = (more: Partial<AuthorizationAttributes>): AuthorizationAttributes => ({
  user: { name: 'jane', groups: ['dev'], extra: {} },
  verb: 'get',
  isResource: true,
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'default',
  name: 'web',
  path: '/api/v1/namespaces/default/pods/web',
  ...more,
});

describe('audit policies', () => {
  const wrong: [what: string, text: string, message: RegExp][] = [
    ['no rules', 'rules: []', /^loaded illegal policy with 0 rules$/],
    ['no level', 'rules: [{}]', /^rules\[0\]\.level: Required value$/],
    [
      'an unknown level',
      'rules: [{level: All}]',
      /^rules\[0\]\.level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"$/,
    ],
    [
      'an unknown stage',
      'omitStages: [Late]\nrules: [{level: None}]',
      /^omitStages\[0\]: Invalid value: "Late": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic$/,
    ],
    ['an unknown field', 'rules: [{level: None, what: 1}]', /unknown field "rules\[0\]\.what"/],
    [
      'a path that is none',
      'rules: [{level: None, nonResourceURLs: ["healthz", "/a*b"]}]',
      /^\[rules\[0\]\.nonResourceURLs\[0\]: .*must begin with a '\/' character, rules\[0\]\.nonResourceURLs\[1\]: .*must be the final character of the rule\]$/,
    ],
    [
      'both kinds of requests',
      'rules: [{level: None, nonResourceURLs: ["*"], namespaces: [a]}]',
      /rules cannot apply to both regular resources and non-resource URLs/,
    ],
    [
      'names without resources',
      'rules: [{level: None, resources: [{group: "", resourceNames: [a]}]}]',
      /using resourceNames requires at least one resource/,
    ],
    [
      'a group with a version',
      'rules: [{level: None, resources: [{group: "apps/v1"}]}]',
      /^rules\[0\]\.resources\.group: Invalid value: "apps\/v1"/,
    ],
  ];
  for (const [what, text, message] of wrong) it(`with ${what} are refused`, () => assert.throws(() => parse(text), { message }));

  it('of another kind or version are refused', () => {
    assert.throws(
      () => parseAuditPolicy('apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]'),
      /no kind "Policy" is registered/,
    );
  });

  const rules: [rule: string, request: Partial<AuthorizationAttributes>, isMet: boolean][] = [
    ['{}', {}, true],
    ['{users: [jane]}', {}, true],
    ['{users: [joe]}', {}, false],
    ['{userGroups: [dev, ops]}', {}, true],
    ['{userGroups: [ops]}', {}, false],
    ['{verbs: [get, list]}', {}, true],
    ['{verbs: [list]}', {}, false],
    ['{namespaces: [default]}', {}, true],
    ['{namespaces: [""]}', {}, false],
    ['{namespaces: [""]}', { namespace: '', resource: 'nodes' }, true],
    ['{resources: [{group: ""}]}', {}, true],
    ['{resources: [{group: apps}]}', {}, false],
    ['{resources: [{group: "*", resources: [pods]}]}', {}, true],
    ['{resources: [{group: "", resources: [pods]}]}', { subresource: 'log' }, false],
    ['{resources: [{group: "", resources: ["pods/log"]}]}', { subresource: 'log' }, true],
    ['{resources: [{group: "", resources: ["*/log"]}]}', { subresource: 'log' }, true],
    ['{resources: [{group: "", resources: ["pods/*"]}]}', { subresource: 'log' }, true],
    ['{resources: [{group: "", resources: ["*"]}]}', { subresource: 'log' }, true],
    ['{resources: [{group: "", resources: [pods], resourceNames: [web]}]}', {}, true],
    ['{resources: [{group: "", resources: [pods], resourceNames: [db]}]}', {}, false],
    ['{resources: [{group: "", resources: [pods]}]}', { isResource: false }, false],
    ['{nonResourceURLs: ["/healthz*"]}', { isResource: false, path: '/healthz/etcd' }, true],
    ['{nonResourceURLs: ["/healthz"]}', { isResource: false, path: '/healthz/etcd' }, false],
    ['{nonResourceURLs: ["*"]}', {}, false],
  ];
  for (const [rule, request, isMet] of rules)
    it(`${rule} ${isMet ? 'is' : 'is not'} for ${JSON.stringify(request)}`, () => {
      const policy = parse(`rules: [${rule.replace('{', '{level: Request, ').replace(', }', '}')}]`);
      assert.equal(auditChoice(policy, asked(request)).level, isMet ? 'Request' : 'None');
    });

  it('the first rule decides; stages add up, managed fields are overridden', () => {
    const policy = parse(
      'omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n- {level: Metadata, verbs: [get], omitStages: [Panic], omitManagedFields: false}\n- {level: Request}',
    );
    assert.deepEqual(auditChoice(policy, asked({})), {
      level: 'Metadata',
      omitStages: ['RequestReceived', 'Panic'],
      omitManagedFields: false,
    });
    assert.deepEqual(auditChoice(policy, asked({ verb: 'list' })), {
      level: 'Request',
      omitStages: ['RequestReceived'],
      omitManagedFields: true,
    });
  });
});
