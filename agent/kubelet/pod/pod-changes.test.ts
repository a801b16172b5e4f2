import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import { asksForSync } from './pod-changes.ts';

const status = (ready: string, gate = 'False'): PodStatus => ({
  conditions: [
    { type: 'Ready', status: ready },
    { type: 'example.com/gate', status: gate },
  ],
});
const pod = (of: PodStatus, metadata: object = {}, spec: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', uid: 'u', resourceVersion: '1', creationTimestamp: '', ...metadata },
  spec: { containers: [], readinessGates: [{ conditionType: 'example.com/gate' }], ...spec },
  status: of,
});

describe('a pod that changed in the API', () => {
  const before = pod(status('True'));
  const reported = status('True');
  const cases: [string, Pod, boolean][] = [
    ['our own status', pod({ ...status('True'), phase: 'Running' }, { resourceVersion: '2' }), false],
    ['a new specification', pod(status('True'), {}, { activeDeadlineSeconds: 5 }), true],
    ['a deletion', pod(status('True'), { deletionTimestamp: '2026-01-01T00:00:00Z' }), true],
    ['the condition of a readiness gate', pod(status('True', 'True')), true],
    ['a readiness that the node lifecycle controller wrote', pod(status('False'), { resourceVersion: '2' }), true],
  ];
  for (const [name, after, asks] of cases)
    it(`${asks ? 'is looked at' : 'is left alone'} for ${name}`, () => assert.equal(asksForSync(before, after, reported), asks));
});
