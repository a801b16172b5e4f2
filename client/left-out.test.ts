import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createLeftOutReporter, leftOut, leftOutMetric, readEach } from './left-out.ts';

const named = (name: string) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name, uid: `u-${name}` } });

function reporter() {
  const told: string[] = [];
  let lines = 0;
  const events = {
    event: (about: object, _type: string, reason: string, message: string) =>
      void told.push(`${'name' in about ? about.name : ''} ${reason}: ${message}`),
  };
  return { told, lines: () => lines, reporter: createLeftOutReporter({ events, log: { warn: () => void lines++ } }) };
}

describe('objects that are left out', () => {
  it('are told once, as long as they are', () => {
    const { told, reporter: one } = reporter();
    one.report('routes', [leftOut('Node', named('a'), 'bad')]);
    one.report('routes', [leftOut('Node', named('a'), 'bad'), leftOut('Node', named('b'), 'worse')]);
    assert.deepEqual(told, ['a InvalidObject: routes leaves this out: bad', 'b InvalidObject: routes leaves this out: worse']);
    one.report('routes', []);
    one.report('routes', [leftOut('Node', named('a'), 'bad')]);
    assert.equal(told.length, 3);
  });

  it('do not flood the log', () => {
    const { told, lines, reporter: one } = reporter();
    one.report(
      'routes',
      Array.from({ length: 1000 }, (_, index) => leftOut('Node', named(`n${index}`), 'bad')),
    );
    assert.deepEqual([told.length, lines()], [20, 21]);
  });

  it('are counted by part and kind while they last, each object once', async () => {
    const { reporter: one } = reporter();
    const registry = new Registry();
    registry.registerMetric(leftOutMetric([one]));
    one.report('routes', [leftOut('Node', named('a'), 'x'), leftOut('Node', named('a'), 'y'), leftOut('Node', named('b'), 'x')]);
    assert.match(await registry.metrics(), /tinkernetes_left_out_objects\{part="routes",kind="Node"\} 2/);
    one.report('routes', []);
    assert.doesNotMatch(await registry.metrics(), /left_out_objects\{/);
  });

  it('are named by whatever can be read of them', () => {
    assert.deepEqual(leftOut('Node', undefined, 'x').object.name, '');
    assert.deepEqual(leftOut('Node', { metadata: { name: 7 } }, 'x').object.name, '');
    const found: string[] = [];
    const good = readEach(
      'Node',
      [named('a'), undefined, named('b')],
      ({ reason }) => found.push(reason),
      (node) => [(node as ReturnType<typeof named>).metadata.name],
    );
    assert.deepEqual([good, found.length], [['a', 'b'], 1]);
  });
});
