/** What is refused of policies and bindings, who may write which, and their tables. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ValidatingAdmissionPolicy } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { matchResourcesSample } from './policy.testing.ts';

const group = '/apis/admissionregistration.k8s.io/v1';
const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const matchConstraints = { resourceRules: [rule] };
const validations = [{ expression: 'true' }];
const mutations = [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } }];
const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
const both = 'validations or auditAnnotations must contain at least one item';
const jane: UserInfo = { name: 'jane', groups: ['system:authenticated'], extra: {} };

describe('policies and their bindings', { timeout: 60_000 }, () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer({ modes: ['RBAC'] });
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const rules = [{ apiGroups: ['admissionregistration.k8s.io'], resources: ['*'], verbs: ['*'] }];
    await api.request('POST', `${rbac}/clusterroles`, { metadata: { name: 'policies' }, rules });
    await api.request('POST', `${rbac}/clusterrolebindings`, {
      metadata: { name: 'policies' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'policies' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
    });
  });
  after(() => api.stop());

  const errors = async (plural: string, spec: object, request = api.request): Promise<string[]> => {
    const { json } = await request('POST', `${group}/${plural}?dryRun=All`, { metadata: { name: 'p' }, spec });
    return (json.details?.causes ?? []).map(({ field = '', message }) => `${field}: ${message}`);
  };

  const validating: [what: string, spec: object, ...wrong: string[]][] = [
    [
      'nothing',
      {},
      'spec.matchConstraints: Required value',
      `spec.validations: Required value: ${both}`,
      `spec.auditAnnotations: Required value: ${both}`,
    ],
    ['no rule', { validations, matchConstraints: {} }, 'spec.matchConstraints.resourceRules: Required value'],
    [
      'an unknown failure policy',
      { validations, matchConstraints, failurePolicy: 'x' },
      'spec.failurePolicy: Unsupported value: "x": supported values: "Fail", "Ignore"',
    ],
    [
      'an unknown match policy',
      { validations, matchConstraints: { ...matchConstraints, matchPolicy: 'x' } },
      'spec.matchConstraints.matchPolicy: Unsupported value: "x": supported values: "Equivalent", "Exact"',
    ],
    [
      'a name twice',
      { validations, matchConstraints: { resourceRules: [{ ...rule, resourceNames: ['a', 'a', 'b/c'] }] } },
      'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"',
      `spec.matchConstraints.resourceRules[0].resourceNames[2]: Invalid value: "b/c": may not contain '/'`,
    ],
    [
      'an expression that does not compile',
      { matchConstraints, validations: [{ expression: 'object.x ==' }] },
      "spec.validations[0].expression: Invalid value: \"object.x ==\": compilation failed: ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.x ==\n | ...........^",
    ],
    [
      'another type',
      { matchConstraints, validations: [{ expression: '1' }] },
      'spec.validations[0].expression: Invalid value: "1": must evaluate to bool but got int',
    ],
    [
      'a type that is not known',
      { matchConstraints, validations: [{ expression: 'object.x' }] },
      'spec.validations[0].expression: Invalid value: "object.x": must evaluate to bool but got dyn',
    ],
    [
      'params without a paramKind',
      { matchConstraints, validations: [{ expression: 'params.x == 1' }] },
      "spec.validations[0].expression: Invalid value: \"params.x == 1\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x == 1\n | ^",
    ],
    [
      'an authorizer in a message',
      {
        matchConstraints,
        validations: [{ expression: 'true', messageExpression: 'authorizer.path("/").check("get").reason()' }],
      },
      'spec.validations[0].messageExpression: Invalid value: "authorizer.path(\\"/\\").check(\\"get\\").reason()": compilation failed: ERROR: <input>:1:1: undeclared reference to \'authorizer\' (in container \'\')\n | authorizer.path("/").check("get").reason()\n | ^',
    ],
    [
      'messages that cannot be shown',
      {
        matchConstraints,
        validations: [
          { expression: 'true', message: ' ', messageExpression: ' ', reason: 'x' },
          { expression: ' ', message: 'a\nb' },
        ],
      },
      'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
      'spec.validations[0].message: Invalid value: " ": must be non-empty if specified',
      'spec.validations[0].reason: Unsupported value: "x": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
      'spec.validations[1].expression: Required value: expression is not specified',
      'spec.validations[1].message: Invalid value: "a\\nb": must not contain line breaks',
    ],
    [
      'variables that come later',
      {
        matchConstraints,
        validations,
        variables: [
          { name: 'a', expression: 'variables.b' },
          { name: 'in', expression: '1' },
          { name: 'b', expression: '' },
        ],
      },
      'spec.variables[0].expression: Invalid value: "variables.b": compilation failed: ERROR: <input>:1:10: undefined field \'b\'\n | variables.b\n | .........^',
      'spec.variables[1].name: Invalid value: "in": must be a valid CEL identifier',
      'spec.variables[2].expression: Required value: expression is not specified',
    ],
    [
      'a variable of another type',
      { matchConstraints, validations: [{ expression: 'variables.a == "x"' }], variables: [{ name: 'a', expression: '1 + 1' }] },
      'spec.validations[0].expression: Invalid value: "variables.a == \\"x\\"": compilation failed: ERROR: <input>:1:13: found no matching overload for \'_==_\' applied to \'(int, string)\'\n | variables.a == "x"\n | ............^',
    ],
    [
      'audit annotations',
      {
        matchConstraints,
        auditAnnotations: [
          { key: 'a', valueExpression: '1' },
          { key: 'a', valueExpression: '' },
          { key: 'b c', valueExpression: '"x"' },
        ],
      },
      'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null_type] but got int',
      'spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified',
      'spec.auditAnnotations[1].key: Duplicate value: "a"',
      "spec.auditAnnotations[2].key: Invalid value: \"p/b c\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
    [
      'a paramKind without a kind',
      { matchConstraints, validations, paramKind: { apiVersion: 'a/b/c' } },
      'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      'spec.paramKind.kind: Required value',
    ],
    [
      'conditions',
      { matchConstraints, validations, matchConditions: [{ name: 'a', expression: '1' }] },
      'spec.matchConditions[0].expression: Invalid value: "1": must evaluate to bool but got int',
    ],
  ];
  for (const [what, spec, ...wrong] of validating)
    it(`a ValidatingAdmissionPolicy may not have ${what}`, async () =>
      assert.deepEqual(await errors('validatingadmissionpolicies', spec), wrong));

  const mutating: [what: string, spec: object, ...wrong: string[]][] = [
    [
      'nothing',
      {},
      'spec.matchConstraints: Required value',
      'spec.mutations: Required value: mutations must contain at least one item',
      'spec.reinvocationPolicy: Required value',
    ],
    [
      'deletes',
      { mutations, reinvocationPolicy: 'x', matchConstraints: { resourceRules: [{ ...rule, operations: ['DELETE'] }] } },
      'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
      'spec.reinvocationPolicy: Unsupported value: "x": supported values: "IfNeeded", "Never"',
    ],
    [
      'patches of other types',
      {
        matchConstraints,
        reinvocationPolicy: 'Never',
        mutations: [
          { patchType: 'x' },
          { patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } },
          { patchType: 'ApplyConfiguration', applyConfiguration: { expression: '{"a": "b"}' } },
          { patchType: 'JSONPatch', jsonPatch: { expression: '[{"op": "add"}]' } },
          { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{what: "add"}]' } },
        ],
      },
      'spec.mutations[0].patchType: Unsupported value: "x": supported values: "ApplyConfiguration", "JSONPatch"',
      'spec.mutations[1].jsonPatch: Required value: must be specified when patchType is JSONPatch',
      'spec.mutations[1].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
      'spec.mutations[2].applyConfiguration.expression: Invalid value: "{\\"a\\": \\"b\\"}": must evaluate to Object but got map(string, string)',
      'spec.mutations[3].jsonPatch.expression: Invalid value: "[{\\"op\\": \\"add\\"}]": must evaluate to list(JSONPatch) but got list(map(string, string))',
      'spec.mutations[4].jsonPatch.expression: Invalid value: "[JSONPatch{what: \\"add\\"}]": compilation failed: ERROR: <input>:1:16: undefined field \'what\'\n | [JSONPatch{what: "add"}]\n | ...............^',
    ],
  ];
  for (const [what, spec, ...wrong] of mutating)
    it(`a MutatingAdmissionPolicy may not have ${what}`, async () =>
      assert.deepEqual(await errors('mutatingadmissionpolicies', spec), wrong));

  it('bindings name a policy, actions, and parameters by name or by labels', async () => {
    assert.deepEqual(await errors('validatingadmissionpolicybindings', {}), [
      'spec.policyName: Required value',
      'spec.validationActions: Required value: at least one validation action is required',
    ]);
    assert.deepEqual(
      await errors('validatingadmissionpolicybindings', { policyName: 'p', validationActions: ['Deny', 'Warn', 'x', 'x'] }),
      [
        'spec.validationActions[2]: Unsupported value: "x": supported values: "Audit", "Deny", "Warn"',
        'spec.validationActions[3]: Unsupported value: "x": supported values: "Audit", "Deny", "Warn"',
        'spec.validationActions[3]: Duplicate value: "x"',
        'spec.validationActions: Invalid value: ["Deny","Warn","x","x"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      ],
    );
    assert.deepEqual(
      await errors('mutatingadmissionpolicybindings', { policyName: 'p', paramRef: { name: 'a', selector: {} } }),
      [
        'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
        'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
        'spec.paramRef.parameterNotFoundAction: Required value',
      ],
    );
  });

  it('may be written only by who may read their parameters', async () => {
    const policy = { matchConstraints, validations, paramKind };
    const user = '&{jane  [system:authenticated] map[]}';
    assert.deepEqual(await errors('validatingadmissionpolicies', policy, api.as(jane)), [
      `spec.paramKind: Forbidden: user ${user} must have "get" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)`,
    ]);
    assert.equal(
      (await api.request('POST', `${group}/validatingadmissionpolicies`, { metadata: { name: 'p' }, spec: policy })).status,
      201,
    );
    const binding = (policyName: string) => ({
      policyName,
      validationActions: ['Deny'],
      paramRef: { name: 'x', parameterNotFoundAction: 'Allow' },
    });
    assert.deepEqual(await errors('validatingadmissionpolicybindings', binding('p'), api.as(jane)), [
      `spec.paramRef: Forbidden: user ${user} does not have "get" permission on the object referenced by paramRef`,
    ]);
    assert.deepEqual(await errors('validatingadmissionpolicybindings', binding('q'), api.as(jane)), [
      `spec.paramRef: Forbidden: unable to get policy q to determine minimum required permissions and user ${user} does not have "get" permission for all groups, versions and resources`,
    ]);
    assert.deepEqual(await errors('validatingadmissionpolicies', { matchConstraints, validations }, api.as(jane)), []);
  });

  it('have defaults, a generation, a status of their own and tables', async () => {
    const created = await api.request('GET', `${group}/validatingadmissionpolicies/p`);
    const { metadata, status } = created.json;
    const { spec } = created.json as unknown as ValidatingAdmissionPolicy;
    assert.deepEqual(
      [
        spec.failurePolicy,
        spec.matchConstraints?.matchPolicy,
        spec.matchConstraints?.objectSelector,
        spec.matchConstraints?.resourceRules?.[0]?.scope,
      ],
      ['Fail', 'Equivalent', {}, '*'],
    );
    assert.deepEqual([metadata.generation, status], [1, {}]);
    const merge = { 'content-type': 'application/merge-patch+json' };
    const told = {
      spec: { failurePolicy: 'Ignore' },
      status: { observedGeneration: 1, typeChecking: { expressionWarnings: [{ fieldRef: '', warning: '' }] } },
    };
    const wrong = await api.request('PATCH', `${group}/validatingadmissionpolicies/p/status`, told, merge);
    assert.match(wrong.json.message, /status\.typeChecking\.expressionWarnings\[0\]\.warning: Required value/);
    told.status.typeChecking.expressionWarnings = [{ fieldRef: 'spec.validations[0].expression', warning: 'x' }];
    const patched = await api.request('PATCH', `${group}/validatingadmissionpolicies/p/status`, told, merge);
    assert.deepEqual(
      [(patched.json as unknown as ValidatingAdmissionPolicy).spec.failurePolicy, patched.json.status],
      ['Fail', told.status],
    );
    const table = async (plural: string): Promise<unknown> =>
      (
        await api.request('GET', `${group}/${plural}`, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
      ).json.rows?.[0]?.cells.slice(0, 3);
    assert.deepEqual(await table('validatingadmissionpolicies'), ['p', 1, 'v1/ConfigMap']);
    const paramRef = { parameterNotFoundAction: 'Allow', selector: { matchLabels: { a: 'b' } } };
    await api.request('POST', `${group}/mutatingadmissionpolicies`, {
      metadata: { name: 'm' },
      spec: { matchConstraints, mutations, reinvocationPolicy: 'Never' },
    });
    await api.request('POST', `${group}/mutatingadmissionpolicybindings`, {
      metadata: { name: 'm' },
      spec: { policyName: 'm', paramRef, matchResources: { ...matchResourcesSample, resourceRules: [] } },
    });
    assert.deepEqual(await table('mutatingadmissionpolicies'), ['m', 1, '<unset>']);
    assert.deepEqual(await table('mutatingadmissionpolicybindings'), [
      'm',
      'm',
      '&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}',
    ]);
  });
});
