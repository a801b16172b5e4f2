import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodTemplate } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { defaultedTemplate, template } from '../../template.testing.ts';
import { podTemplateKind } from './strategy.ts';

const { strategy } = podTemplateKind;
const podTemplate: PodTemplate = { apiVersion: 'v1', kind: 'PodTemplate', metadata: systemMeta('web', 'ns'), template };

describe('pod templates', () => {
  it("get a pod's defaults, and a generation that counts changes of the template", async () => {
    const { object, errors } = await create(strategy, podTemplate);
    assert.deepEqual([object.template, object.metadata.generation, errors], [defaultedTemplate, 1, []]);
    const labelled = await update(strategy, object, ({ metadata }) => {
      metadata.labels = { a: 'b' };
    });
    assert.equal(labelled.object.metadata.generation, 1);
    const changed = await update(strategy, object, (one) => {
      Object.assign(one.template?.spec ?? {}, { hostNetwork: true });
    });
    assert.equal(changed.object.metadata.generation, 2);
  });

  it('are checked as pods are', async () => {
    const object = structuredClone(podTemplate);
    object.template = { spec: { containers: [], restartPolicy: 'Sometimes' } };
    await rejects(
      strategy,
      object,
      'template.spec.containers: Required value',
      'template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    );
  });
});
