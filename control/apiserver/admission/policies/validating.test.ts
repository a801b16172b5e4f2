/** ValidatingAdmissionPolicies in a real API server. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { createConfigMap, ruleFor, TestPolicies } from './policies.testing.ts';

const jane: UserInfo = { name: 'jane', groups: ['system:authenticated'], extra: {} };
const loop = '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]';
/** Some hundred thousand units. */
const expensive = `${loop}.all(a, ${loop}.all(b, ${loop}.all(c, ${loop}.all(d, a + b + c + d < 100))))`;

describe('ValidatingAdmissionPolicies', { timeout: 120_000 }, () => {
  let api: TestServer;
  let policies: TestPolicies;
  before(async () => {
    api = await startTestServer({ admissionPlugins: { enable: [], disable: ['ServiceAccount'] } });
    policies = new TestPolicies(api);
    const merge = { 'content-type': 'application/merge-patch+json' };
    await api.request('POST', '/api/v1/namespaces', { metadata: { name: 'other', labels: { team: 'other' } } });
    await api.request('PATCH', '/api/v1/namespaces/default', { metadata: { labels: { team: 'default' } } }, merge);
  });
  after(() => api.stop());
  afterEach(async () => {
    await policies.clear();
    await api.request('DELETE', '/api/v1/namespaces/default/configmaps');
    await api.request('DELETE', '/api/v1/namespaces/other/configmaps');
  });

  const message = async (data: Record<string, string> = {}, metadata: object = {}): Promise<string> => {
    const { status, json } = await createConfigMap(api, data, metadata);
    return status === 201 ? '' : `${status} ${json.reason} ${json.message}`;
  };
  const denied = (name: string, why: string): string =>
    `422 Invalid configmaps "c" is forbidden: ValidatingAdmissionPolicy '${name}' with binding '${name}' denied request: ${why}`;

  it('refuse what a validation does not allow, with its message, reason and cause', async () => {
    await policies.validating('p', {
      validations: [
        { expression: 'object.data.a == "1"' },
        { expression: '!has(object.data.b)', message: ' b is not allowed ' },
        { expression: '!has(object.data.c)', messageExpression: '"c is " + object.data.c', reason: 'Forbidden', message: 'c' },
        { expression: '!has(object.data.d)', messageExpression: '"d is\\n" + object.data.d', message: 'd' },
        { expression: '!has(object.data.e)', messageExpression: 'string(object.data.missing)', reason: 'RequestEntityTooLarge' },
      ],
    });
    const a = { a: '1' };
    assert.equal(await message(a), '');
    assert.equal(await message({ a: '2' }), denied('p', 'failed expression: object.data.a == "1"'));
    assert.equal(await message({ ...a, b: '' }), denied('p', 'b is not allowed'));
    assert.equal(await message({ ...a, c: 'x' }), denied('p', 'c is x').replace('422 Invalid', '403 Forbidden'));
    assert.equal(await message({ ...a, d: 'x' }), denied('p', 'd'));
    assert.equal(
      await message({ ...a, e: 'x' }),
      denied('p', 'failed expression: !has(object.data.e)').replace('422 Invalid', '413 RequestEntityTooLarge'),
    );
    const { json } = await createConfigMap(api, { a: '2' });
    assert.deepEqual(json.details, {
      name: 'c',
      kind: 'configmaps',
      causes: [
        { message: "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: failed expression: object.data.a == \"1\"" },
      ],
    });
  });

  it('are in force at once, and no longer than their binding is there', async () => {
    await policies.validating('p', { validations: [{ expression: 'false', message: 'no' }] });
    assert.equal(await message(), denied('p', 'no'));
    const path = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/p';
    assert.equal((await api.request('DELETE', path)).status, 200);
    assert.equal(await message(), '');
  });

  it('see the request, the namespace, and both objects', async () => {
    await policies.validating('p', {
      validations: [
        {
          expression: [
            'object != null',
            '(request.operation == "CREATE") == (oldObject == null)',
            '(request.operation == "CREATE" || oldObject.data.a != object.data.a)',
            'request.resource.resource == "configmaps" && request.kind.kind == "ConfigMap" && request.namespace == "default"',
            'namespaceObject.metadata.labels.team == "default" && namespaceObject.metadata.name == "default"',
            'request.userInfo.username != ""',
            '!has(request.subResource)',
          ].join(' && '),
        },
      ],
      matchConstraints: { resourceRules: [{ ...ruleFor('configmaps'), operations: ['CREATE', 'UPDATE'] }] },
    });
    assert.equal((await createConfigMap(api, { a: '1' }, {}, '')).status, 201);
    const body = { metadata: { name: 'c' }, data: { a: '2' } };
    assert.equal((await api.request('PUT', '/api/v1/namespaces/default/configmaps/c', body)).status, 200);
    assert.equal(
      (await api.request('PUT', '/api/v1/namespaces/default/configmaps/c', { ...body, data: { a: '2', b: '' } })).status,
      422,
    );
  });

  it('are asked about deletes, subresources and connects', async () => {
    await policies.validating('deletes', {
      matchConstraints: { resourceRules: [{ ...ruleFor('configmaps'), operations: ['DELETE'] }] },
      validations: [{ expression: 'object == null && oldObject.data.keep != "yes"', message: 'kept' }],
    });
    assert.equal((await createConfigMap(api, { keep: 'yes' }, {}, '')).status, 201);
    const path = '/api/v1/namespaces/default/configmaps/c';
    assert.match((await api.request('DELETE', path)).json.message, /denied request: kept/);
    await policies.clear();
    await policies.validating('scales', {
      matchConstraints: { resourceRules: [ruleFor('apps/deployments/scale')] },
      validations: [{ expression: 'request.subResource == "scale" && object.kind == "Scale" && object.spec.replicas < 5' }],
    });
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'web' }] } };
    const deployment = { metadata: { name: 'web' }, spec: { selector: { matchLabels: labels }, template } };
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    assert.equal((await api.request('POST', deployments, deployment)).status, 201);
    const scale = (replicas: number) =>
      api.request(
        'PATCH',
        `${deployments}/web/scale`,
        { spec: { replicas } },
        { 'content-type': 'application/merge-patch+json' },
      );
    assert.deepEqual([(await scale(4)).status, (await scale(5)).status], [200, 422]);
    await api.request('DELETE', `${deployments}/web`);
  });

  it('are chosen by rules, names, exclusions, selectors, other versions and conditions, of the policy and of the binding', async () => {
    const no = { validations: [{ expression: 'false', message: 'no' }] };
    const matching = async (constraints: object, binding?: object): Promise<boolean> => {
      const rules = { resourceRules: [ruleFor('configmaps')] };
      await policies.validating(
        'p',
        { ...no, matchConstraints: { ...rules, ...constraints } },
        binding === undefined ? {} : { matchResources: binding },
      );
      const result = (await message({ a: '1' }, { labels: { app: 'web' } })) !== '';
      await policies.clear();
      return result;
    };
    const selector = (app: string) => ({ objectSelector: { matchLabels: { app } } });
    const space = (team: string) => ({ namespaceSelector: { matchLabels: { team } } });
    const named = (...resourceNames: string[]) => ({ resourceRules: [{ ...ruleFor('configmaps'), resourceNames }] });
    const cases: [string, object, object | undefined, boolean][] = [
      ['all', {}, undefined, true],
      ['another resource', { resourceRules: [ruleFor('secrets')] }, undefined, false],
      ['its name', named('b', 'c'), undefined, true],
      ['another name', named('b'), undefined, false],
      ['an exclusion', { excludeResourceRules: [ruleFor('configmaps')] }, undefined, false],
      ['an exclusion of others', { excludeResourceRules: [ruleFor('secrets')] }, undefined, true],
      ['its labels', selector('web'), undefined, true],
      ['other labels', selector('db'), undefined, false],
      ['its namespace', space('default'), undefined, true],
      ['another namespace', space('other'), undefined, false],
      ['a binding for its name', {}, named('c'), true],
      ['a binding for another name', {}, named('b'), false],
      ['a binding for other labels', {}, selector('db'), false],
      ['a binding for its namespace', {}, space('default'), true],
    ];
    for (const [what, constraints, binding, expected] of cases)
      assert.equal(await matching(constraints, binding), expected, what);
    await policies.validating('p', { ...no, matchConditions: [{ name: 'a', expression: 'object.data.a == "1"' }] });
    assert.deepEqual([await message({ a: '1' }), await message({ a: '2' })], [denied('p', 'no'), '']);
    await policies.clear();
    const broken = { matchConditions: [{ name: 'a', expression: 'object.data.x == "1"' }] };
    await policies.validating('p', { ...no, ...broken });
    assert.equal(await message(), denied('p', `expression 'object.data.x == "1"' resulted in error: no such key: data`));
    await policies.clear();
    await policies.validating('p', { ...no, ...broken, failurePolicy: 'Ignore' });
    assert.equal(await message(), '');
    await policies.clear();
    const v1 = { operations: ['*'], apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] };
    await policies.validating('p', {
      matchConstraints: { resourceRules: [v1] },
      validations: [
        {
          expression:
            'request.kind.version == "v1" && request.requestKind.version == "v2" && has(object.spec.targetCPUUtilizationPercentage)',
        },
      ],
    });
    const metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }];
    const scaler = {
      metadata: { name: 'web' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 2, metrics },
    };
    const answer = await api.request(
      'POST',
      '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers?dryRun=All',
      scaler,
    );
    assert.equal(answer.status, 201, answer.text);
  });

  it('never ask about what configures admission, or about reviews', async () => {
    const all = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] };
    await policies.validating('p', { matchConstraints: { resourceRules: [all] }, validations: [{ expression: 'false' }] });
    assert.equal((await createConfigMap(api)).status, 422);
    const review = { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } };
    assert.equal((await api.request('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review)).status, 201);
    const path = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/p';
    assert.equal((await api.request('DELETE', path)).status, 200);
  });

  it('have variables that name earlier ones, are evaluated when they are needed, and once', async () => {
    await policies.validating('p', {
      variables: [
        { name: 'data', expression: 'object.?data.orValue({})' },
        { name: 'a', expression: 'int(variables.data["a"])' },
        { name: 'broken', expression: 'object.data.nothing' },
        { name: 'heavy', expression: expensive },
      ],
      validations: [
        { expression: '!("a" in variables.data) || variables.a > 1', messageExpression: '"a is " + string(variables.a)' },
        { expression: '!("b" in variables.data) || variables.broken == ""' },
        // Fifty times what the budget would allow, if each of them was evaluated anew.
        ...Array.from({ length: 100 }, () => ({ expression: '!("c" in variables.data) || variables.heavy' })),
      ],
    });
    assert.equal(await message(), '');
    assert.equal(await message({ a: '2' }), '');
    assert.equal(await message({ a: '1' }), denied('p', 'a is 1'));
    const problem = 'composited variable "broken" fails to evaluate: no such key: nothing';
    const source = '!("b" in variables.data) || variables.broken == ""';
    assert.equal(await message({ b: '' }), denied('p', `expression '${source}' resulted in error: ${problem}`));
    assert.equal(await message({ c: '' }), '');
  });

  it('with errors refuse, or not, as their failure policy says', async () => {
    const broken = { validations: [{ expression: 'object.data.x == ""' }] };
    await policies.validating('p', broken);
    assert.equal(await message({ a: '' }), denied('p', `expression 'object.data.x == ""' resulted in error: no such key: x`));
    await policies.clear();
    await policies.validating('p', { ...broken, failurePolicy: 'Ignore' });
    assert.equal(await message({ a: '' }), '');
  });

  it('are counted, with the steps and plugins of admission', async () => {
    await policies.validating('counted', { validations: [{ expression: '!has(object.data.x)' }] });
    await message({ x: '' });
    const { text } = await api.request('GET', '/metrics');
    assert.match(
      text,
      /apiserver_validating_admission_policy_check_total\{policy="counted",policy_binding="counted",error_type="invalid_error",enforcement_action="deny"\} 1/,
    );
    assert.match(
      text,
      /apiserver_admission_step_admission_duration_seconds_count\{type="validate",operation="CREATE",rejected="true"\} [1-9]/,
    );
    assert.match(
      text,
      /apiserver_admission_controller_admission_duration_seconds_bucket\{name="ValidatingAdmissionPolicy",type="validate",operation="CREATE",rejected="true",le="\+Inf"\} [1-9]/,
    );
  });

  it('warn and audit where their binding says so', async () => {
    const validations = [{ expression: 'false', message: 'no' }];
    await policies.validating('p', { validations }, { validationActions: ['Warn', 'Audit'] });
    const { status, headers } = await createConfigMap(api);
    assert.equal(status, 201);
    assert.match(
      String(headers['warning']),
      /^299 - "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p': no"$/,
    );
  });

  describe('with parameters', () => {
    const limits = (name: string, namespace: string, max: string, labels = {}) =>
      api.request('POST', `/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name, labels }, data: { max } });
    const spec = {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      matchConditions: [{ name: 'c', expression: 'params == null || object.metadata.name != params.metadata.name' }],
      validations: [
        { expression: 'int(object.data.a) <= int(params.data.max)', messageExpression: '"more than " + params.data.max' },
      ],
      matchConstraints: { resourceRules: [{ ...ruleFor('configmaps'), operations: ['CREATE'], resourceNames: ['c'] }] },
    };
    const ref = (more: object) => ({ paramRef: { parameterNotFoundAction: 'Deny', ...more } });

    it('read them by name, from a namespace or from that of the request', async () => {
      await limits('limits', 'default', '3');
      await limits('limits', 'other', '1');
      await policies.validating('p', spec, ref({ name: 'limits' }));
      assert.deepEqual([await message({ a: '3' }), await message({ a: '4' })], ['', denied('p', 'more than 3')]);
      await policies.clear();
      await policies.validating('p', spec, ref({ name: 'limits', namespace: 'other' }));
      assert.deepEqual([await message({ a: '1' }), await message({ a: '2' })], ['', denied('p', 'more than 1')]);
    });

    it('are evaluated with each that a selector finds', async () => {
      await limits('three', 'default', '3', { limits: 'yes' });
      await limits('five', 'default', '5', { limits: 'yes' });
      await limits('one', 'default', '1');
      await policies.validating('p', spec, ref({ selector: { matchLabels: { limits: 'yes' } } }));
      assert.deepEqual([await message({ a: '3' }), await message({ a: '4' })], ['', denied('p', 'more than 3')]);
    });

    it('that are not there allow or deny, also when they vanish', async () => {
      await limits('limits', 'default', '3');
      await policies.validating('denies', spec, ref({ name: 'limits' }));
      assert.equal(await message({ a: '1' }), '');
      await api.request('DELETE', '/api/v1/namespaces/default/configmaps/limits');
      const why = 'no params found for policy binding with `Deny` parameterNotFoundAction';
      assert.equal(await message({ a: '1' }), denied('denies', `failed to configure binding: ${why}`));
      await policies.clear();
      await policies.validating('allows', spec, ref({ name: 'limits', parameterNotFoundAction: 'Allow' }));
      assert.equal(await message({ a: '9' }), '');
    });

    it('are configured wrongly in upstream’s words', async () => {
      await policies.validating('p', { ...spec, paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' } }, ref({ name: 'x' }));
      const text = `422 Invalid configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'`;
      assert.equal(await message(), text);
      await policies.clear();
      const clusterWide = { ...spec, paramKind: { apiVersion: 'v1', kind: 'Namespace' } };
      await policies.validating('p', clusterWide, ref({ name: 'default', namespace: 'x' }));
      assert.equal(
        await message(),
        denied('p', 'failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`'),
      );
      await policies.clear();
      const nodes = { ...spec, matchConstraints: { resourceRules: [ruleFor('nodes')] } };
      await policies.validating('p', nodes, ref({ name: 'limits' }));
      const { json } = await api.request('POST', '/api/v1/nodes?dryRun=All', { metadata: { name: 'n' } });
      assert.match(json.message, /cannot use namespaced paramRef in policy binding that matches cluster-scoped resources$/);
    });

    it('may be of the cluster, or unused by a binding', async () => {
      const validations = [{ expression: 'params == null || params.metadata.labels.team == object.data.team' }];
      await policies.validating(
        'p',
        { ...spec, paramKind: { apiVersion: 'v1', kind: 'Namespace' }, validations },
        ref({ name: 'other' }),
      );
      assert.equal(await message({ team: 'other' }), '');
      assert.match(await message({ team: 'x' }), /failed expression/);
      await policies.clear();
      await policies.validating('p', { ...spec, validations });
      assert.equal(await message({ team: 'x' }), '');
    });
  });

  it('ask what the user may do', async () => {
    const server = await startTestServer({ modes: ['RBAC'], admissionPlugins: { enable: [], disable: ['ServiceAccount'] } });
    try {
      await server.request('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
      const rules = [
        { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
        { apiGroups: ['example.com'], resources: ['locks'], verbs: ['open'] },
      ];
      const rbac = '/apis/rbac.authorization.k8s.io/v1';
      await server.request('POST', `${rbac}/clusterroles`, { metadata: { name: 'r' }, rules });
      await server.request('POST', `${rbac}/clusterrolebindings`, {
        metadata: { name: 'r' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'r' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
      });
      const allowed = (verb: string) =>
        `authorizer.group("example.com").resource("locks").namespace("x").check("${verb}").allowed()`;
      await new TestPolicies(server).validating('p', {
        variables: [{ name: 'may', expression: allowed('open') }],
        validations: [
          { expression: `variables.may && !(${allowed('close')})` },
          {
            expression:
              'authorizer.requestResource.check("create").allowed() && !authorizer.requestResource.check("delete").allowed()',
          },
        ],
      });
      const answer = await createConfigMap({ request: server.as(jane) });
      assert.equal(answer.status, 201, answer.text);
    } finally {
      await server.stop();
    }
  });

  describe('that cost much', () => {
    it('are ended at the limit of one expression, and at the budget of all', async () => {
      const tooExpensive = `${loop}.all(x, ${expensive})`;
      await policies.validating('one', { validations: [{ expression: tooExpensive }] });
      const problem = 'operation cancelled: actual cost limit exceeded';
      assert.equal(await message(), denied('one', `expression '${tooExpensive}' resulted in error: ${problem}`));
      await policies.clear();
      await policies.validating('all', { validations: Array.from({ length: 300 }, () => ({ expression: expensive })) });
      const budget = 'validation failed due to running out of cost budget, no further validation rules will be run';
      assert.equal(await message(), denied('all', budget));
      await policies.clear();
      const ignoring = { validations: Array.from({ length: 300 }, () => ({ expression: expensive })), failurePolicy: 'Ignore' };
      await policies.validating('ignored', ignoring);
      assert.equal(await message(), '');
    });

    it('let others be served meanwhile', async () => {
      await policies.validating('p', { validations: Array.from({ length: 300 }, () => ({ expression: expensive })) });
      let isDone = false;
      const slow = createConfigMap(api).then(() => {
        isDone = true;
      });
      let served = 0;
      while (!isDone) {
        assert.equal((await api.request('GET', '/version')).status, 200);
        served++;
        await setImmediate();
      }
      await slow;
      assert.ok(served > 5, `${served} requests were served`);
    });

    it('and name one another in a long row', async () => {
      const count = 500;
      await policies.validating('p', {
        variables: Array.from({ length: count }, (_, index) => ({
          name: `v${index}`,
          expression: index === 0 ? 'object.data.a' : `variables.v${index - 1}`,
        })),
        validations: [{ expression: `variables.v${count - 1} == "1"` }],
      });
      assert.match(await message({ a: '1' }), /more than 200 variables within each other/);
    });
  });

  it('of hundreds that are for others hold nobody up', async () => {
    const rule = ruleFor('secrets');
    for (let index = 0; index < 300; index++)
      await policies.validating(`p${index}`, {
        matchConstraints: { resourceRules: [rule] },
        validations: [{ expression: `object.data.x == "${index}"` }],
      });
    await createConfigMap(api);
    const before = process.cpuUsage().user;
    for (let index = 0; index < 50; index++) assert.equal((await createConfigMap(api)).status, 201);
    const perRequestMs = (process.cpuUsage().user - before) / 1000 / 50;
    assert.ok(perRequestMs < 100, `${perRequestMs} ms each`);
  });
});
