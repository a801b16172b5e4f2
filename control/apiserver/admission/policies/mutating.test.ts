/** MutatingAdmissionPolicies in a real API server. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import { createConfigMap, ruleFor, TestPolicies } from './policies.testing.ts';

const apply = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const patch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

describe('MutatingAdmissionPolicies', { timeout: 120_000 }, () => {
  let api: TestServer;
  let policies: TestPolicies;
  before(async () => {
    api = await startTestServer({ admissionPlugins: { enable: [], disable: ['ServiceAccount'] } });
    policies = new TestPolicies(api);
  });
  after(() => api.stop());
  afterEach(async () => {
    await policies.clear();
    await api.request('DELETE', '/api/v1/namespaces/default/configmaps');
  });

  const data = async (given: Record<string, string> = {}, metadata: object = {}): Promise<unknown> => {
    const { status, json } = await createConfigMap(api, given, metadata);
    return status === 201 ? json.data : `${status} ${json.reason} ${json.message}`;
  };
  const denied = (why: string): string => `403 Invalid policy 'p' with binding 'p' denied request: ${why}`;

  it('apply configurations, which merge by the type of the object', async () => {
    await policies.mutating('p', { mutations: [apply('Object{data: {"b": object.data.a + "!"}}')] });
    assert.deepEqual(await data({ a: '1' }), { a: '1', b: '1!' });
    await policies.clear();
    const rule = { ...ruleFor('pods'), operations: ['CREATE'] };
    await policies.mutating('sidecar', {
      matchConstraints: { resourceRules: [rule] },
      mutations: [
        apply(
          'Object{metadata: Object.metadata{labels: {"injected": "yes"}}, spec: Object.spec{initContainers: [Object.spec.initContainers{name: "proxy", image: "proxy:1", restartPolicy: "Always"}], containers: object.spec.containers.map(c, Object.spec.containers{name: c.name, env: [Object.spec.containers.env{name: "PROXY", value: "yes"}]})}}',
        ),
      ],
    });
    const pod = {
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'web', image: 'web:1', env: [{ name: 'A', value: '1' }] }] },
    };
    const { status, json } = await api.request('POST', '/api/v1/namespaces/default/pods?dryRun=All', pod);
    assert.equal(status, 201, JSON.stringify(json));
    assert.deepEqual(json.metadata.labels, { injected: 'yes' });
    const { containers, initContainers } = json.spec as unknown as Record<string, Record<string, unknown>[]>;
    assert.deepEqual(
      containers?.map(({ name, image, env }) => ({ name, image, env })),
      [
        {
          name: 'web',
          image: 'web:1',
          env: [
            { name: 'A', value: '1' },
            { name: 'PROXY', value: 'yes' },
          ],
        },
      ],
    );
    // Defaults come after the policies.
    assert.deepEqual(
      [initContainers?.[0]?.['restartPolicy'], initContainers?.[0]?.['terminationMessagePath']],
      ['Always', '/dev/termination-log'],
    );
  });

  it('apply JSON patches', async () => {
    await policies.mutating('p', {
      mutations: [
        patch('[JSONPatch{op: "add", path: "/data/b", value: object.data.a}, JSONPatch{op: "remove", path: "/data/a"}]'),
        patch(
          '[JSONPatch{op: "add", path: "/metadata/annotations", value: {}}, JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("example.com/a"), value: "x"}]',
        ),
        patch('[JSONPatch{op: "test", path: "/data/b", value: "other"}, JSONPatch{op: "remove", path: "/data/b"}]'),
        patch('[JSONPatch{op: "copy", from: "/data/b", path: "/data/c"}]'),
      ],
    });
    const { json } = await createConfigMap(api, { a: '1' });
    assert.equal(json.message, undefined);
    assert.deepEqual([json.data, json.metadata.annotations], [{ b: '1', c: '1' }, { 'example.com/a': 'x' }]);
  });

  it('see variables, parameters, the namespace, and what earlier mutations did', async () => {
    await policies.mutating(
      'p',
      {
        paramKind: { apiVersion: 'v1', kind: 'Namespace' },
        variables: [{ name: 'from', expression: 'params.metadata.name + "/" + namespaceObject.metadata.name' }],
        matchConditions: [{ name: 'a', expression: 'params.metadata.name == "kube-system" && has(object.data)' }],
        mutations: [apply('Object{data: {"from": variables.from}}'), apply('Object{data: {"seen": object.data.from}}')],
      },
      { paramRef: { name: 'kube-system', parameterNotFoundAction: 'Deny' } },
    );
    await api.request('POST', '/api/v1/namespaces', { metadata: { name: 'kube-system' } });
    assert.deepEqual(await data({ a: '1' }), { a: '1', from: 'kube-system/default', seen: 'kube-system/default' });
  });

  it('are repeated when a later one has changed the object, once, if they want to', async () => {
    const count = (key: string) => `Object{data: {"${key}": has(object.data.${key}) ? object.data.${key} + "x" : "x"}}`;
    await policies.mutating('a', { mutations: [apply(count('a'))], reinvocationPolicy: 'IfNeeded' });
    await policies.mutating('b', { mutations: [apply(count('b'))], reinvocationPolicy: 'Never' });
    assert.deepEqual(await data({ c: '1' }), { c: '1', a: 'xx', b: 'x' });
  });

  it('that cannot be carried out refuse the request, unless they say Ignore', async () => {
    const cases: [string, object, string][] = [
      [
        'an error',
        apply('Object{data: {"b": object.data.x}}'),
        'expression \'Object{data: {"b": object.data.x}}\' resulted in error: no such key: x',
      ],
      [
        'a field that is none',
        apply('Object{wrong: "x"}'),
        'error applying patch: failed to convert patch object to typed object: .wrong: field not declared in schema',
      ],
      [
        'a type with another name',
        apply('Object{metadata: Object.spec{labels: {"a": "b"}}}'),
        'type mismatch: unexpected type name "Object.spec", expected "Object.metadata", which matches field name path from root Object type',
      ],
      ['an atomic list', apply('Object{metadata: Object.metadata{ownerReferences: []}, data: {}}'), ''],
      [
        'a patch that does not fit',
        patch('[JSONPatch{op: "remove", path: "/data/x"}]'),
        'JSON Patch: the server rejected our request due to an error in our request',
      ],
    ];
    for (const [what, mutation, why] of cases) {
      await policies.mutating('p', { mutations: [mutation] });
      assert.deepEqual(await data({ a: '1' }), why === '' ? { a: '1' } : denied(why), what);
      await policies.clear();
      await policies.mutating('p', { mutations: [mutation], failurePolicy: 'Ignore' });
      assert.deepEqual(await data({ a: '1' }), { a: '1' }, what);
      await policies.clear();
    }
    const rule = { ...ruleFor('services'), operations: ['CREATE'] };
    await policies.mutating('p', {
      matchConstraints: { resourceRules: [rule] },
      mutations: [apply('Object{spec: Object.spec{selector: {"a": "b"}}}')],
    });
    const service = { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } };
    const { json } = await api.request('POST', '/api/v1/namespaces/default/services?dryRun=All', service);
    assert.equal(
      json.message,
      "policy 'p' with binding 'p' denied request: error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector",
    );
  });

  it('change updates, and what is checked afterwards is the changed object', async () => {
    await policies.mutating('p', { mutations: [apply('Object{data: {"b": "2"}}')] });
    await policies.validating('v', { validations: [{ expression: 'object.data.b == "2"' }] });
    assert.equal((await createConfigMap(api, {}, {}, '')).status, 201);
    const { json } = await api.request('PUT', '/api/v1/namespaces/default/configmaps/c', {
      metadata: { name: 'c' },
      data: { b: '3' },
    });
    assert.deepEqual(json.data, { b: '2' });
  });

  it('see other versions of the object, and change them', async () => {
    const v1 = {
      operations: ['CREATE'],
      apiGroups: ['autoscaling'],
      apiVersions: ['v1'],
      resources: ['horizontalpodautoscalers'],
    };
    await policies.mutating('p', {
      matchConstraints: { resourceRules: [v1] },
      mutations: [apply('Object{spec: Object.spec{targetCPUUtilizationPercentage: 70}}')],
    });
    const scaler = {
      metadata: { name: 'web' },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 2 },
    };
    const { json } = await api.request(
      'POST',
      '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers?dryRun=All',
      scaler,
    );
    assert.match(JSON.stringify(json.spec), /"averageUtilization":70/);
  });
});
