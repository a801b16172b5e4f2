import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { queryOf, readLogQuery } from './log-query.ts';

describe("the kubelet's log query", () => {
  const read = (target: string): object => readLogQuery(queryOf(target), 10_000_000);
  const plain = {
    follow: false,
    previous: false,
    timestamps: false,
    tailLines: undefined,
    limitBytes: undefined,
    sinceMs: undefined,
    stream: undefined,
  };
  const cases: [string, object][] = [
    ['/containerLogs/a/b/c', { kind: 'options', options: plain }],
    ['/x?follow=True&timestamps=&previous=0', { kind: 'options', options: { ...plain, follow: true, timestamps: true } }],
    ['/x?sinceSeconds=60&stream=Stderr', { kind: 'options', options: { ...plain, sinceMs: 9_940_000, stream: 'stderr' } }],
    ['/x?tail=7', { kind: 'options', options: { ...plain, tailLines: 7 } }],
    ['/x?tail=all&tailLines=3', { kind: 'options', options: plain }],
    ['/x?tailLines=x', { kind: 'refused', status: 400, message: '{"message": "Unable to decode query."}' }],
    ['/x?stream=Foo', { kind: 'refused', status: 422, message: '{"message": "Invalid request."}' }],
  ];
  for (const [target, expected] of cases) it(target, () => assert.deepEqual(read(target), expected));
});
