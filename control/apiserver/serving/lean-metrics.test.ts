import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Counter, Histogram, Registry } from 'prom-client';
import { LeanCounter, LeanHistogram } from './lean-metrics.ts';

describe('metrics that keep their series', () => {
  it('are scraped as those of the library are, but for the bound, which comes last, as upstream', async () => {
    const [lean, library] = [new Registry(), new Registry()];
    const options = { name: 'requests_total', help: 'Requests.', labelNames: ['verb', 'code'] };
    const seconds = { name: 'seconds', help: 'How long.', labelNames: ['verb'], buckets: [0.1, 1, 10] };
    const counter = new LeanCounter({ ...options, registers: [lean] });
    const histogram = new LeanHistogram({ ...seconds, registers: [lean] });
    const counted = new Counter({ ...options, registers: [library] });
    const observed = new Histogram({ ...seconds, registers: [library] });
    for (const [verb, code] of [
      ['GET', '200'],
      ['PUT', '409'],
      ['GET', '200'],
    ] as const) {
      counter.series(verb, code).inc();
      counted.inc({ verb, code });
    }
    for (const value of [0.1, 0.05, 5, 100]) {
      histogram.series('GET').observe(value);
      observed.observe({ verb: 'GET' }, value);
    }
    const boundLast = (await library.metrics()).replaceAll(/\{(le="[^"]+"),(verb="GET")\}/g, '{$2,$1}');
    assert.equal(await lean.metrics(), boundLast);
  });

  it('without labels are there from the beginning', async () => {
    const registry = new Registry();
    new LeanCounter({ name: 'all_total', help: 'All.', registers: [registry] });
    assert.match(await registry.metrics(), /^all_total 0$/m);
  });

  it('give the same series for the same values', () => {
    const counter = new LeanCounter({ name: 'a', help: 'A.', labelNames: ['x', 'y'], registers: [] });
    assert.equal(counter.series('1', '2'), counter.series('1', '2'));
    assert.notEqual(counter.series('1 2', ''), counter.series('1', '2 '));
  });
});
