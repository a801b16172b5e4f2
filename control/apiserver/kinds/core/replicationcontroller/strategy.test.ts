import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicationController, ReplicationControllerSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, texts, update } from '../../strategy.testing.ts';
import { defaultedTemplate, labels, template } from '../../template.testing.ts';
import { replicationControllerKind } from './strategy.ts';

const { strategy } = replicationControllerKind;
const controller = (spec: Partial<ReplicationControllerSpec> = {}): ReplicationController => ({
  apiVersion: 'v1',
  kind: 'ReplicationController',
  metadata: systemMeta('web', 'ns'),
  spec: { template, ...spec },
});

describe('replication controllers', () => {
  it("take the template's labels as selector and labels, one replica, and no status", async () => {
    const { object, errors } = await create(strategy, { ...controller(), status: { replicas: 7 } });
    assert.deepEqual(errors, []);
    assert.deepEqual(object, {
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: { ...systemMeta('web', 'ns'), labels, generation: 1 },
      spec: { replicas: 1, selector: labels, template: defaultedTemplate },
      status: { replicas: 0 },
    });
  });

  it('keep labels and a selector that are given', async () => {
    const given = controller({ selector: { app: 'web' } });
    const { object } = await create(strategy, { ...given, metadata: { ...given.metadata, labels: { mine: 'x' } } });
    assert.deepEqual([object.metadata.labels, object.spec.selector], [{ mine: 'x' }, { app: 'web' }]);
  });

  for (const [what, spec, ...expected] of [
    ['no template', { template: undefined }, 'spec.selector: Required value', 'spec.template: Required value'],
    ['a template without labels', { template: { spec: template.spec } }, 'spec.selector: Required value'],
    [
      'negative numbers',
      { replicas: -1, minReadySeconds: -2 },
      'spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0',
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'a selector that does not match',
      { selector: { app: 'db' } },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [
      'pods that end',
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'OnFailure', activeDeadlineSeconds: 5 } } },
      'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
    ],
  ] as [string, Partial<ReplicationControllerSpec>, ...string[]][]) {
    it(`refuse ${what}`, () => rejects(strategy, controller(spec), ...expected));
  }

  it('may change their selector; each change of the spec counts', async () => {
    const old = (await create(strategy, controller())).object;
    const { object, errors } = await update(strategy, old, ({ spec }) => {
      spec.selector = { tier: 'front' };
      spec.template = { ...template, metadata: { labels: { tier: 'front' } } };
    });
    assert.deepEqual([errors, object.metadata.generation], [[], 2]);
  });

  it('refuse counts that do not add up', async () => {
    const old = (await create(strategy, controller())).object;
    const { errors, object } = await update(
      strategy,
      old,
      (changed) => {
        changed.spec.replicas = 9;
        changed.status = { replicas: 1, readyReplicas: 2, fullyLabeledReplicas: -1 };
      },
      'status',
    );
    assert.equal(object.spec.replicas, 1);
    assert.deepEqual(errors, [
      'status.fullyLabeledReplicas: Invalid value: -1: must be greater than or equal to 0',
      'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
    ]);
  });

  it('leave their pods behind, select by size, and warn of names that pods cannot have', async () => {
    const { object } = await create(strategy, controller());
    assert.equal(strategy.defaultPropagation, 'Orphan');
    assert.deepEqual(strategy.fields?.(object), { 'status.replicas': '0' });
    const dotted = { ...object, metadata: { ...object.metadata, name: 'a.b' } };
    assert.match(strategy.warnings?.(dotted, undefined)[0] ?? '', /^metadata\.name: this is used in Pod names and hostnames/);
    assert.deepEqual(texts(strategy.validate(dotted)), []);
  });
});
