import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MetricSpec, MetricStatus, AutoscalingV2HorizontalPodAutoscaler as V2 } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { autoscalerColumns } from './columns.ts';
import { toV1 } from './conversion.ts';
import { autoscalerV1Kind } from './strategy.ts';

const autoscaler = (metrics: MetricSpec[], currentMetrics: MetricStatus[] = []): V2 => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata,
  spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 9, metrics },
  status: { desiredReplicas: 4, currentReplicas: 3, currentMetrics },
});
const metric = { name: 'm' };
const describedObject = { kind: 'Service', name: 'x' };
const cpu: MetricSpec = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } };
const memory: MetricSpec = {
  type: 'Resource',
  resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1024Mi' } },
};
const external: MetricSpec = { type: 'External', external: { metric, target: { type: 'Value', value: '10' } } };
const object = (averageValue?: string): MetricSpec => ({
  type: 'Object',
  object: {
    describedObject,
    metric,
    target: averageValue === undefined ? { type: 'Value', value: '10' } : { type: 'AverageValue', averageValue },
  },
});

describe('columns of an autoscaler', () => {
  const cases: [what: string, V2, targets: string][] = [
    ['no metrics', autoscaler([]), '<none>'],
    ['a metric that nobody measured yet', autoscaler([cpu]), 'cpu: <unknown>/80%'],
    [
      'a share',
      autoscaler(
        [cpu],
        [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12, averageValue: '120m' } } }],
      ),
      'cpu: 12%/80%',
    ],
    [
      'an amount',
      autoscaler([memory], [{ type: 'Resource', resource: { name: 'memory', current: { averageValue: '500Mi' } } }]),
      'memory: 500Mi/1Gi',
    ],
    [
      'values',
      autoscaler([external, object()], [{ type: 'External', external: { metric, current: { value: '7' } } }]),
      '7/10, <unknown>/10',
    ],
    [
      'averages, and more than two',
      autoscaler(
        [object('5'), { type: 'Pods', pods: { metric, target: { type: 'AverageValue', averageValue: '100m' } } }, cpu, memory],
        [
          { type: 'Object', object: { describedObject, metric, current: { averageValue: '3' } } },
          { type: 'Pods', pods: { metric, current: { averageValue: '50m' } } },
        ],
      ),
      '3/5 (avg), 50m/100m + 2 more...',
    ],
    [
      'a container',
      autoscaler([
        {
          type: 'ContainerResource',
          containerResource: { name: 'cpu', container: 'c', target: { type: 'Utilization', averageUtilization: 60 } },
        },
      ]),
      'cpu: <unknown>/60%',
    ],
  ];
  for (const [what, one, targets] of cases)
    it(`of ${what}`, () => {
      const expected = {
        Name: 'x',
        Reference: 'Deployment/web',
        Targets: targets,
        MinPods: '<unset>',
        MaxPods: 9,
        Replicas: 3,
        Age: '5m',
      };
      assert.deepEqual(row(autoscalerColumns, one), expected);
    });

  it('are the same in v1', () => {
    const table = autoscalerV1Kind.strategy.table;
    assert.ok(table);
    assert.equal(row(table, toV1(autoscaler([memory, cpu])))['Targets'], 'memory: <unknown>/1Gi, cpu: <unknown>/80%');
  });
});
