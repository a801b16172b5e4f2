/** For tests: an object's row as `kubectl get -o wide` prints it. */
import assert from 'node:assert/strict';
import type { KubeObject } from '#api/meta.ts';
import type { TableColumns } from '../registry/strategy.ts';

const startMs = Date.parse('2026-01-01T00:00:00Z');
/** Five minutes after {@link metadata} was created. */
export const nowMs = startMs + 300_000;
export const metadata = {
  name: 'x',
  namespace: 'ns',
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
};
export const ago = (seconds: number): string => new Date(nowMs - seconds * 1000).toISOString();

/** Column name → cell. */
export function row<T extends KubeObject>(columns: TableColumns<T>, object: T): Record<string, unknown> {
  const cells = columns.cells(object, nowMs);
  assert.equal(cells.length, columns.columns.length);
  return Object.fromEntries(columns.columns.map(({ name }, index) => [name, cells[index]]));
}
