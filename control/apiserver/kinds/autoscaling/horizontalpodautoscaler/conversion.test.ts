import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { deepFreeze } from '#api/deep-freeze.ts';
import type {
  MetricSpec,
  MetricStatus,
  HorizontalPodAutoscaler as V1,
  AutoscalingV2HorizontalPodAutoscaler as V2,
} from '#api/types.generated.ts';
import { systemMeta } from '../../strategy.testing.ts';
import { toV1, toV2 } from './conversion.ts';
import { roundTrip } from './v1-forms.ts';

const metadata = systemMeta('web', 'ns');
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const v1 = (annotations: Record<string, string>, spec: Partial<V1['spec']> = {}): V1 => ({
  apiVersion: 'autoscaling/v1',
  kind: 'HorizontalPodAutoscaler',
  metadata: { ...metadata, annotations },
  spec: { scaleTargetRef, maxReplicas: 3, ...spec },
});
const v2 = (spec: Partial<V2['spec']>, status: Partial<NonNullable<V2['status']>> = {}): V2 => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata,
  spec: { scaleTargetRef, maxReplicas: 3, ...spec },
  status: { desiredReplicas: 0, currentMetrics: [], ...status },
});
const cpu = (averageUtilization: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

describe('autoscalers in v1', () => {
  const selector = { matchLabels: { b: '<x>', '10': 'a' }, matchExpressions: [{ key: 'k', operator: 'Exists' }] };
  const texts: [what: string, V2, annotations: Record<string, string>][] = [
    ['a CPU target in its field', v2({ metrics: [cpu(60)] }), {}],
    [
      "other metrics, in the order of Go's fields, HTML characters escaped",
      v2({
        metrics: [
          { type: 'Pods', pods: { metric: { name: 'rps', selector }, target: { type: 'AverageValue', averageValue: '1500m' } } },
          cpu(60),
          {
            type: 'Object',
            object: { describedObject: scaleTargetRef, metric: { name: 'm' }, target: { type: 'Value', value: '1k' } },
          },
        ],
      }),
      {
        [roundTrip.metrics]:
          '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"1500m","selector":{"matchLabels":{"10":"a","b":"\\u003cx\\u003e"},"matchExpressions":[{"key":"k","operator":"Exists"}]}}},' +
          '{"type":"Object","object":{"target":{"kind":"Deployment","name":"web","apiVersion":"apps/v1"},"metricName":"m","targetValue":"1k"}}]',
      },
    ],
    [
      "the behavior, under the names of Go's fields",
      v2({
        metrics: [cpu(60)],
        behavior: {
          scaleUp: {
            stabilizationWindowSeconds: 0,
            selectPolicy: 'Max',
            policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }],
          },
          scaleDown: { policies: [], tolerance: '50m' },
        },
      }),
      {
        [roundTrip.behavior]:
          '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},' +
          '"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":null,"Policies":[],"Tolerance":"50m"}}',
      },
    ],
    [
      'conditions and current metrics, of the CPU, too',
      v2(
        { metrics: [cpu(60)] },
        {
          conditions: [
            { type: 'AbleToScale', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'R' },
            { type: 'X', status: 'False' },
          ],
          currentMetrics: [
            { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 7, averageValue: '70m' } } },
          ],
        },
      ),
      {
        [roundTrip.currentMetrics]:
          '[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":7,"currentAverageValue":"70m"}}]',
        [roundTrip.conditions]:
          '[{"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R"},{"type":"X","status":"False","lastTransitionTime":null}]',
      },
    ],
  ];
  for (const [what, object, annotations] of texts)
    it(`have ${what}`, () => {
      const view = toV1(deepFreeze(object));
      assert.deepEqual(view.metadata.annotations ?? {}, annotations);
      assert.equal(view.spec.targetCPUUtilizationPercentage, 60);
    });

  it('keep other annotations; those that only conversion writes are replaced', () => {
    const object = v2({ metrics: [cpu(60)] });
    object.metadata = { ...metadata, annotations: { mine: 'x', [roundTrip.behavior]: '{}' } };
    assert.deepEqual(toV1(deepFreeze(object)).metadata.annotations, { mine: 'x' });
  });

  it('aim at 80 % of the CPU when nothing is said', () => {
    assert.deepEqual(toV2(v1({})).spec.metrics, [cpu(80)]);
    assert.deepEqual(toV2(v1({}, { targetCPUUtilizationPercentage: 50 })).spec.metrics, [cpu(50)]);
  });

  const unread: [what: string, text: string][] = [
    ['no JSON', '{'],
    ['another type', '{"type":"Pods"}'],
    ['an element of another type', '["Pods"]'],
    ['a field of another type', '[{"type":1}]'],
    ['a number out of range', '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":3000000000}}]'],
    ['no quantity', '[{"type":"Pods","pods":{"targetAverageValue":"much"}}]'],
    ['null', 'null'],
  ];
  for (const [what, text] of unread)
    it(`with ${what} in the metrics' annotation have no other metrics`, () => {
      const object = toV2(v1({ [roundTrip.metrics]: text, mine: 'x' }));
      assert.deepEqual([object.spec.metrics, object.metadata.annotations], [[cpu(80)], { mine: 'x' }]);
    });

  it('are read in any case, unknown keys left out', () => {
    const object = toV2(
      v1({ [roundTrip.behavior]: '{"scaleup":{"SELECTPOLICY":"Min","other":1,"Policies":[null]},"ScaleDown":null}' }),
    );
    assert.deepEqual(object.spec.behavior, { scaleUp: { selectPolicy: 'Min', policies: [{}] } });
  });
});

describe('autoscalers of v2', () => {
  const text = fc.string({ maxLength: 8 });
  const quantity = fc.constantFrom('1', '1500m', '2Gi', '10k');
  const given = <T extends object>(object: T): T =>
    Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
  const labels = fc.dictionary(text, text, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
  const metric = fc.record({ name: text, selector: fc.record({ matchLabels: labels }) }, { requiredKeys: ['name'] });
  const describedObject = fc.record(
    { kind: text, name: text, apiVersion: fc.string({ minLength: 1, maxLength: 8 }) },
    { requiredKeys: ['kind', 'name'] },
  );
  const value = quantity.map((one) => ({ type: 'Value', value: one }));
  const average = quantity.map((one) => ({ type: 'AverageValue', averageValue: one }));
  const both = fc.tuple(quantity, quantity).map(([a, b]) => ({ type: 'AverageValue', value: a, averageValue: b }));
  const share = fc.integer({ min: 1, max: 500 }).map((averageUtilization) => ({ type: 'Utilization', averageUtilization }));
  const metrics: fc.Arbitrary<MetricSpec> = fc.oneof(
    fc.record({ describedObject, metric, target: fc.oneof(value, average, both) }).map((object) => ({ type: 'Object', object })),
    fc.record({ metric, target: average }).map((pods) => ({ type: 'Pods', pods })),
    fc.record({ metric, target: fc.oneof(value, average) }).map((external) => ({ type: 'External', external })),
    fc
      .record({ name: fc.constantFrom('memory', 'x'), target: fc.oneof(average, share) })
      .map((resource) => ({ type: 'Resource', resource })),
    fc
      .record({ name: text, container: text, target: fc.oneof(average, share) })
      .map((containerResource) => ({ type: 'ContainerResource', containerResource })),
  );
  const current = fc.record({ value: quantity, averageValue: quantity }, { requiredKeys: ['value'] });
  const usage = fc.record({ averageValue: quantity, averageUtilization: fc.nat(500) }, { requiredKeys: ['averageValue'] });
  const statuses: fc.Arbitrary<MetricStatus> = fc.oneof(
    fc.record({ describedObject, metric, current }).map((object) => ({ type: 'Object', object })),
    fc.record({ metric, current }).map((external) => ({ type: 'External', external })),
    fc.record({ metric, current: fc.record({ averageValue: quantity }) }).map((pods) => ({ type: 'Pods', pods })),
    fc.record({ name: fc.constantFrom('cpu', 'memory'), current: usage }).map((resource) => ({ type: 'Resource', resource })),
    fc
      .record({ name: text, container: text, current: usage })
      .map((containerResource) => ({ type: 'ContainerResource', containerResource })),
  );
  const rules = fc.record(
    {
      stabilizationWindowSeconds: fc.nat(3600),
      selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
      policies: fc.array(fc.record({ type: text, value: fc.nat(9), periodSeconds: fc.nat(9) }), { maxLength: 3 }),
      tolerance: quantity,
    },
    { requiredKeys: [] },
  );
  const condition = fc.record(
    {
      type: text,
      status: text,
      reason: fc.string({ minLength: 1, maxLength: 8 }),
      message: fc.string({ minLength: 1, maxLength: 8 }),
      lastTransitionTime: fc.constant('2026-01-01T00:00:00Z'),
    },
    { requiredKeys: ['type', 'status'] },
  );
  const autoscaler = fc
    .record({
      metrics: fc.array(metrics, { maxLength: 4 }),
      cpu: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
      behavior: fc.option(
        fc.record({ scaleUp: rules, scaleDown: rules }, { requiredKeys: [] }).filter((one) => Object.keys(one).length > 0),
        { nil: undefined },
      ),
      currentMetrics: fc.array(statuses, { maxLength: 4 }),
      conditions: fc.array(condition, { maxLength: 3 }),
    })
    // v1 puts the CPU target last. An autoscaler always has at least one metric.
    .filter((one) => one.metrics.length > 0 || one.cpu !== undefined)
    .map(({ metrics: others, cpu: target, behavior, currentMetrics, conditions }) =>
      v2(given({ minReplicas: 1, metrics: [...others, ...(target === undefined ? [] : [cpu(target)])], behavior }), {
        currentReplicas: 2,
        currentMetrics,
        ...(conditions.length === 0 ? {} : { conditions }),
      }),
    )
    .map((one) => structuredClone(one));

  it('are the same after a conversion to v1 and back', () => {
    fc.assert(
      fc.property(autoscaler, (object) => {
        assert.deepEqual(toV2(deepFreeze(toV1(deepFreeze(object)))), object);
      }),
      { numRuns: 300 },
    );
  });

  it('look the same in v1 after a conversion to v2 and back', () => {
    fc.assert(
      fc.property(autoscaler, (object) => {
        const view = toV1(object);
        assert.deepEqual(toV1(toV2(view)), view);
      }),
      { numRuns: 300 },
    );
  });

  it('take any annotation', () => {
    const annotation = fc.oneof(fc.json(), text, fc.constantFrom('[{}]', '{"ScaleUp":{}}', '[null]', '[{"object":{}}]'));
    fc.assert(
      fc.property(annotation, annotation, annotation, annotation, (first, second, third, fourth) => {
        const view = v1({
          [roundTrip.metrics]: first,
          [roundTrip.behavior]: second,
          [roundTrip.conditions]: third,
          [roundTrip.currentMetrics]: fourth,
        });
        const object = toV2(view);
        assert.deepEqual(toV2(toV1(object)).spec.behavior, object.spec.behavior);
      }),
      { numRuns: 300 },
    );
  });
});
