import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ControllerRevision } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { controllerRevisionKind } from './strategy.ts';

const { strategy } = controllerRevisionKind;
const revision = (more: Partial<ControllerRevision> = {}): ControllerRevision => ({
  apiVersion: 'apps/v1',
  kind: 'ControllerRevision',
  metadata: systemMeta('web-1', 'ns'),
  revision: 1,
  data: { spec: { template: {} } },
  ...more,
});

describe('controller revisions', () => {
  it('hold any object', async () => {
    await rejects(strategy, revision());
    await rejects(strategy, revision({ data: {} }));
  });

  it('cannot be without data, or count below zero', async () => {
    const { data: _, ...without } = revision();
    await rejects(strategy, without as ControllerRevision, 'data: Required value: data is mandatory');
    const text = 'revision: Invalid value: -1: must be greater than or equal to 0';
    await rejects(strategy, revision({ revision: -1 }), text);
  });

  it('keep their data; the number may change', async () => {
    const old = (await create(strategy, revision())).object;
    const renumbered = await update(strategy, old, (object) => {
      object.revision = 2;
    });
    assert.deepEqual(renumbered.errors, []);
    const { errors } = await update(strategy, old, (object) => {
      object.data = {};
    });
    assert.deepEqual(errors, ['data: Invalid value: {}: field is immutable']);
  });
});
