import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from './errors.ts';
import { WriteHealth } from './write-health.ts';

const broken = (): StoreError => new StoreError('io', 'reading or writing failed (disk I/O error)');

describe('write health', () => {
  it('reports the first failure, and the first success after it, which its own probe finds', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const reports: (string | undefined)[] = [];
    let disk: 'broken' | 'whole' = 'broken';
    const probe = (): void => {
      if (disk === 'broken') throw broken();
    };
    const health = new WriteHealth('/tmp/store.db', probe, (problem) => reports.push(problem));
    health.failed(broken());
    health.failed(broken());
    t.mock.timers.tick(3_000);
    assert.deepEqual(reports, [broken().message]);
    disk = 'whole';
    t.mock.timers.tick(1_000);
    assert.deepEqual(reports, [broken().message, undefined]);
    health.succeeded();
    assert.equal(reports.length, 2);
    health.stop();
  });

  it('ignores errors that have nothing to do with the disk', () => {
    const reports: (string | undefined)[] = [];
    const health = new WriteHealth(
      '/tmp/store.db',
      () => undefined,
      (problem) => reports.push(problem),
    );
    health.failed(new Error('requested lease not found'));
    health.stop();
    assert.deepEqual(reports, []);
  });
});
