import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import { addDetails } from '#api/schema/facts.ts';
import { detailedType } from '#api/structural-schema/schema-types.ts';
import type { NamedRuleWithOperations, ValidatingAdmissionPolicy } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';
import { policyTypeWarnings } from './policy-types.ts';

const rule = (group: string, version: string, ...resources: string[]): NamedRuleWithOperations => ({
  operations: ['*'],
  apiGroups: [group],
  apiVersions: [version],
  resources,
});
const policyOf = (spec: object): ValidatingAdmissionPolicy => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name: 'p', uid: '', resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { matchConstraints: { resourceRules: [rule('apps', 'v1', 'deployments')] }, ...spec },
});
const warnings = (spec: object) => policyTypeWarnings(policyOf(spec), createResourceCatalog());

describe('the types of a policy’s expressions', () => {
  it('that fit are not told', () => {
    const expressions = [
      'object.spec.replicas > 1',
      'object.metadata.labels["a"] == "b" && oldObject.metadata.creationTimestamp < timestamp("2026-01-01T00:00:00Z")',
      'object.spec.template.spec.containers.all(c, c.image.startsWith("x/"))',
      'request.operation == "CREATE" && namespaceObject.metadata.name == "x" && authorizer.path("/").check("get").allowed()',
    ];
    assert.deepEqual(warnings({ validations: expressions.map((expression) => ({ expression })) }), []);
  });

  it('that do not fit are told with upstream’s words, of expressions and of messages, for each kind', () => {
    const validations = [
      { expression: 'object.spec.replicas > "1"' },
      { expression: 'true', messageExpression: '"x" + object.spec.nothing' },
    ];
    assert.deepEqual(warnings({ validations }), [
      {
        fieldRef: 'spec.validations[0].expression',
        warning: `apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > "1"\n | .....................^\n`,
      },
      {
        fieldRef: 'spec.validations[1].messageExpression',
        warning: `apps/v1, Kind=Deployment: ERROR: <input>:1:18: undefined field 'nothing'\n | "x" + object.spec.nothing\n | .................^\n`,
      },
    ]);
    const several = { matchConstraints: { resourceRules: [rule('', 'v1', 'pods', 'configmaps', 'pods/exec', 'nothing')] } };
    const [warning] = warnings({ ...several, validations: [{ expression: 'object.data["a"] == "b"' }] });
    assert.match(warning?.warning ?? '', /^\/v1, Kind=Pod: ERROR: <input>:1:7: undefined field 'data'/);
    assert.doesNotMatch(warning?.warning ?? '', /Kind=ConfigMap/);
  });

  it('are those of custom resources, too', () => {
    const catalog = createResourceCatalog();
    const row = catalog.builtIn('deployments.apps');
    const type = 'stable.example.com/v1.CronTab';
    const names = { id: 'crontabs.stable.example.com', group: 'stable.example.com', plural: 'crontabs', kind: 'CronTab' };
    catalog.add({ ...row, ...names, storagePrefix: '/registry/stable.example.com/crontabs', schema: type });
    const replicas = { type: 'object', properties: { spec: { type: 'object', properties: { replicas: { type: 'integer' } } } } };
    const forget = addDetails(type, detailedType(type, replicas));
    try {
      const matchConstraints = { resourceRules: [rule('stable.example.com', 'v1', 'crontabs')] };
      const told = (expression: string) =>
        policyTypeWarnings(policyOf({ matchConstraints, validations: [{ expression }] }), catalog);
      assert.deepEqual(told('object.spec.replicas > 1 && object.metadata.name != ""'), []);
      assert.match(told('object.spec.replicas > "1"')[0]?.warning ?? '', /Kind=CronTab: ERROR: <input>:1:22: found no matching/);
    } finally {
      forget();
    }
  });

  it('know variables and parameters', () => {
    const spec = {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      variables: [{ name: 'replicas', expression: 'object.spec.replicas' }],
      validations: [{ expression: 'variables.replicas == params.data["x"]' }],
    };
    assert.match(warnings(spec)[0]?.warning ?? '', /found no matching overload for '_==_' applied to '\(int, string\)'/);
  });

  it('of wildcards, and of kinds that have no end, are not looked at', () => {
    const wrong = [{ expression: 'object.nothing == 1' }];
    const rules = [
      rule('*', 'v1', 'pods'),
      rule('apps', 'v1', '*'),
      rule('apiextensions.k8s.io', 'v1', 'customresourcedefinitions'),
    ];
    assert.deepEqual(warnings({ matchConstraints: { resourceRules: rules }, validations: wrong }), []);
  });
});

describe('the status of a policy in a cluster', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  it('says what has been found of which generation', async () => {
    const policies = world.client.resource('validatingadmissionpolicies.admissionregistration.k8s.io');
    const { uid: _uid, resourceVersion: _version, creationTimestamp: _time, ...metadata } = policyOf({}).metadata;
    const created = await policies.create({
      ...policyOf({ validations: [{ expression: 'object.spec.nothing == 1' }] }),
      metadata,
    });
    const observed = async (generation: number): Promise<boolean> =>
      (await policies.get({ name: 'p' })).status?.observedGeneration === generation;
    await world.until('looked at', () => observed(1));
    const { status } = await policies.get({ name: 'p' });
    assert.match(status?.typeChecking?.expressionWarnings?.[0]?.warning ?? '', /undefined field 'nothing'/);
    const now = await policies.get({ name: 'p' });
    assert.equal(created.metadata.generation, 1);
    await policies.update({ ...now, spec: { ...now.spec, validations: [{ expression: 'object.spec.replicas == 1' }] } });
    await world.until('looked at again', () => observed(2));
    assert.equal((await policies.get({ name: 'p' })).status?.typeChecking?.expressionWarnings, undefined);
    await policies.create({ ...policyOf({ validations: [{ expression: 'true' }] }), metadata: { name: 'right' } });
    // That nothing is wrong has to be seen, too.
    await world.until('looked at', async () => {
      const { status: found } = await policies.get({ name: 'right' });
      return JSON.stringify(found) === '{"observedGeneration":1,"typeChecking":{}}';
    });
  });
});
