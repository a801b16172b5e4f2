import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodStatus } from '../types.generated.ts';
import { isPodActive, isPodAvailable, isPodReady, isPodTerminal, untilAvailableMs, withPodCondition } from './conditions.ts';

const ready = (status: string, lastTransitionTime?: string): { status: PodStatus } => ({
  status: { conditions: [{ type: 'Ready', status, ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }) }] },
});
const since = '2026-01-01T00:00:00Z';
const sinceMs = Date.parse(since);

describe('a pod', () => {
  it('is ready when its Ready condition is true, whatever its phase', () => {
    assert.deepEqual(
      [isPodReady(ready('True')), isPodReady(ready('Unknown')), isPodReady({ status: undefined })],
      [true, false, false],
    );
  });
  it('is terminal in the phases Succeeded and Failed', () => {
    const phases = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown', undefined];
    assert.deepEqual(
      phases.map((phase) => isPodTerminal({ status: phase === undefined ? undefined : { phase } })),
      [false, false, true, true, false, false],
    );
  });
  it('is active until it ends or is deleted', () => {
    const metadata = { name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: since };
    assert.equal(isPodActive({ metadata, status: { phase: 'Running' } }), true);
    assert.equal(isPodActive({ metadata: { ...metadata, deletionTimestamp: since }, status: { phase: 'Running' } }), false);
    assert.equal(isPodActive({ metadata, status: { phase: 'Failed' } }), false);
  });
  it('is available once it was ready for minReadySeconds', () => {
    assert.equal(untilAvailableMs(ready('True', since), 10, sinceMs + 4000), 6000);
    assert.equal(isPodAvailable(ready('True', since), 10, sinceMs + 9999), false);
    assert.equal(isPodAvailable(ready('True', since), 10, sinceMs + 10_000), true);
    assert.equal(isPodAvailable(ready('True'), 0, sinceMs), true);
    assert.equal(isPodAvailable(ready('True'), 1, sinceMs), false);
    assert.equal(untilAvailableMs(ready('False', since), 0, sinceMs), undefined);
  });
});

describe('a condition that is set', () => {
  const later = '2026-01-01T00:01:00Z';
  const known = { type: 'Ready', status: 'True', reason: 'Old', lastTransitionTime: since };
  const set = (status: string) =>
    withPodCondition([known, { type: 'Other', status: 'True' }], { type: 'Ready', status }, Date.parse(later));
  it('keeps place and time while its status stays', () => {
    assert.deepEqual(set('True'), [
      { type: 'Ready', status: 'True', lastTransitionTime: since },
      { type: 'Other', status: 'True' },
    ]);
  });
  it('has the time of the change of its status', () => {
    assert.deepEqual(set('False')[0], { type: 'Ready', status: 'False', lastTransitionTime: later });
  });
  it('is added to those of other types', () => {
    assert.deepEqual(withPodCondition(undefined, { type: 'Ready', status: 'True' }, Date.parse(later)), [
      { type: 'Ready', status: 'True', lastTransitionTime: later },
    ]);
  });
});
