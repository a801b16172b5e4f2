import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  HPAScalingRules,
  MetricSpec,
  HorizontalPodAutoscaler as V1,
  AutoscalingV2HorizontalPodAutoscaler as V2,
} from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { autoscalerKind, autoscalerV1Kind } from './strategy.ts';
import { roundTrip } from './v1-forms.ts';

const { strategy } = autoscalerKind;
const { strategy: v1Strategy } = autoscalerV1Kind;
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const autoscaler = (spec: Partial<V2['spec']> = {}, annotations?: Record<string, string>): V2 => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { ...systemMeta('web', 'ns'), ...(annotations === undefined ? {} : { annotations }) },
  spec: { scaleTargetRef, maxReplicas: 3, ...spec },
});
const old = (spec: Partial<V1['spec']> = {}, annotations?: Record<string, string>): V1 => ({
  ...autoscaler({}, annotations),
  apiVersion: 'autoscaling/v1',
  spec: { scaleTargetRef, maxReplicas: 3, ...spec },
  status: { currentReplicas: 7, desiredReplicas: 7 },
});
const cpu: MetricSpec = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } };
const policies = [{ type: 'Pods', value: 1, periodSeconds: 60 }];

describe('autoscalers', () => {
  it('aim at 80 % of the CPU with one pod at least, and begin with an empty status', async () => {
    const { object, errors } = await create(strategy, { ...autoscaler(), status: { desiredReplicas: 9 } });
    assert.deepEqual([errors, object.spec.minReplicas, object.spec.metrics], [[], 1, [cpu]]);
    assert.deepEqual([object.status, object.metadata.generation], [{ desiredReplicas: 0, currentMetrics: [] }, undefined]);
  });

  const up = {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
  };
  const down = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };
  const behaviors: [what: string, given: V2['spec']['behavior'], expected: V2['spec']['behavior']][] = [
    ['none at all', undefined, undefined],
    ['an empty one', {}, { scaleUp: up, scaleDown: down }],
    [
      'half of one',
      { scaleDown: { stabilizationWindowSeconds: 5, tolerance: '50m' } },
      { scaleUp: up, scaleDown: { ...down, stabilizationWindowSeconds: 5, tolerance: '50m' } },
    ],
    [
      'one of their own',
      { scaleUp: { selectPolicy: 'Min', policies } },
      { scaleUp: { ...up, selectPolicy: 'Min', policies }, scaleDown: down },
    ],
  ];
  for (const [what, behavior, expected] of behaviors)
    it(`complete ${what} of the behaviors`, async () => {
      const { object, errors } = await create(strategy, autoscaler(behavior === undefined ? {} : { behavior }));
      assert.deepEqual([errors, object.spec.behavior], [[], expected]);
    });

  it('of v2 have none of the annotations of v1', async () => {
    const { object } = await create(strategy, autoscaler({}, { mine: 'x', [roundTrip.metrics]: '[]' }));
    assert.deepEqual(object.metadata.annotations, { mine: 'x' });
  });

  const metric = { name: 'rps' };
  const pods = (target: object): MetricSpec => ({ type: 'Pods', pods: { metric, target: { type: 'AverageValue', ...target } } });
  const [m, up0] = ['spec.metrics[0]', 'spec.behavior.scaleUp'];
  const rules = (scaleUp: HPAScalingRules): Partial<V2['spec']> => ({ behavior: { scaleUp } });
  const refused: [what: string, spec: Partial<V2['spec']>, errors: string[]][] = [
    [
      'no maximum',
      { maxReplicas: 0 },
      [
        'spec.maxReplicas: Required value: must be set and greater than 0',
        'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
      ],
    ],
    [
      'a negative maximum',
      { maxReplicas: -1 },
      [
        'spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1',
        'spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`',
      ],
    ],
    [
      'a minimum above it',
      { minReplicas: 4 },
      ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'],
    ],
    [
      'nothing as minimum',
      { minReplicas: 0 },
      [
        'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
        'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
      ],
    ],
    [
      'no target',
      { scaleTargetRef: { kind: '', name: '' } },
      [
        'spec.scaleTargetRef.kind: Required value',
        'spec.scaleTargetRef.name: Required value',
        'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group',
      ],
    ],
    [
      'a target of the core group',
      { scaleTargetRef: { apiVersion: 'v1', kind: 'Pod', name: 'a/b' } },
      [
        `spec.scaleTargetRef.name: Invalid value: "a/b": may not contain '/'`,
        'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group',
      ],
    ],
    [
      'a strange version',
      { scaleTargetRef: { ...scaleTargetRef, apiVersion: 'a/b/c' } },
      ['spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
    ],
    [
      'a metric without type',
      { metrics: [{ type: '' }] },
      [
        `${m}.type: Required value: must specify a metric source type`,
        ...Array<string>(2).fill(
          `${m}.type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"`,
        ),
      ],
    ],
    [
      'a metric without its source',
      { metrics: [{ type: 'Pods' }] },
      [`${m}.pods: Required value: must populate information for the given metric source`],
    ],
    [
      'two sources',
      { metrics: [{ ...pods({ averageValue: '1' }), resource: cpu.resource }] },
      [`${m}.resource: Forbidden: must populate the given metric source only`],
    ],
    [
      'a target of nothing',
      { metrics: [pods({ averageValue: '0' })] },
      [`${m}.pods.target.averageValue: Invalid value: "0": must be positive`],
    ],
    [
      'a pods metric without average',
      { metrics: [pods({})] },
      [`${m}.pods.target.averageValue: Required value: must specify a positive target averageValue`],
    ],
    [
      'a strange target type and name',
      {
        metrics: [
          { type: 'External', external: { metric: { name: 'a%b' }, target: { type: 'X', value: '1', averageValue: '1' } } },
        ],
      },
      [
        `${m}.external.metric.name: Invalid value: "a%b": may not contain '%'`,
        `${m}.external.target.type: Invalid value: "X": must be either Utilization, Value, or AverageValue`,
        `${m}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target`,
      ],
    ],
    [
      'an object metric without value',
      {
        metrics: [
          { type: 'Object', object: { describedObject: { kind: 'Service', name: 'web' }, metric, target: { type: 'Value' } } },
        ],
      },
      [`${m}.object.target.averageValue: Required value: must set either a target value or averageValue`],
    ],
    [
      'a share of nothing',
      {
        metrics: [
          { type: 'Resource', resource: { name: '', target: { type: 'Utilization', averageUtilization: 0, averageValue: '1' } } },
        ],
      },
      [
        `${m}.resource.name: Required value: must specify a resource name`,
        `${m}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
        `${m}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization`,
      ],
    ],
    [
      'a container of no resource',
      {
        metrics: [
          { type: 'ContainerResource', containerResource: { name: 'gpu', container: 'A', target: { type: 'Utilization' } } },
        ],
      },
      [
        `${m}.containerResource.name: Invalid value: "gpu": must be a standard resource type or fully qualified`,
        `${m}.containerResource.name: Invalid value: "gpu": must be a standard resource for containers`,
        `${m}.containerResource.container: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
        `${m}.containerResource.target.averageUtilization: Required value: must set either a target raw value or a target utilization`,
      ],
    ],
    [
      'a negative window',
      rules({ stabilizationWindowSeconds: -1, policies }),
      [`${up0}.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero`],
    ],
    [
      'a long window',
      rules({ stabilizationWindowSeconds: 3601, policies }),
      [`${up0}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600`],
    ],
    ['no policies', rules({ policies: [] }), [`${up0}.policies: Required value: must specify at least one Policy`]],
    [
      'a negative tolerance',
      rules({ policies, tolerance: '-10m' }),
      [`${up0}.tolerance: Invalid value: "-10m": must be greater than or equal to 0`],
    ],
    [
      'odd policies',
      rules({
        selectPolicy: 'Any',
        policies: [
          { type: 'X', value: 0, periodSeconds: 0 },
          { type: 'Pods', value: 1, periodSeconds: 1801 },
        ],
      }),
      [
        `${up0}.selectPolicy: Unsupported value: "Any": supported values: "Disabled", "Max", "Min"`,
        `${up0}.policies[0].type: Unsupported value: "X": supported values: "Percent", "Pods"`,
        `${up0}.policies[0].value: Invalid value: 0: must be greater than zero`,
        `${up0}.policies[0].periodSeconds: Invalid value: 0: must be greater than zero`,
        `${up0}.policies[1].periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
      ],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, autoscaler(spec), ...errors);
    });

  it('may scale a ReplicationController, which is of the core group', async () => {
    await rejects(strategy, autoscaler({ scaleTargetRef: { apiVersion: 'v1', kind: 'ReplicationController', name: 'web' } }));
  });

  it('keep a wrong apiVersion and zero replicas that they have already', async () => {
    const stored = autoscaler({
      minReplicas: 0,
      scaleTargetRef: { kind: 'Deployment', name: 'web' },
      metrics: [{ type: 'External', external: { metric, target: { type: 'Value', value: '1' } } }],
    });
    const change = await update(strategy, stored, ({ spec }) => {
      spec.maxReplicas = 9;
    });
    assert.deepEqual(change.errors, []);
    const other = await update(strategy, stored, ({ spec }) => {
      spec.scaleTargetRef.kind = 'ReplicaSet';
    });
    assert.deepEqual(other.errors, ['spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group']);
  });

  it('have counts in their status that are not negative', async () => {
    const { object } = await create(strategy, autoscaler());
    const { errors, object: written } = await update(
      strategy,
      object,
      (one) => {
        one.status = { currentReplicas: -1, desiredReplicas: -2 };
        one.spec.maxReplicas = 99;
      },
      'status',
    );
    assert.equal(written.spec.maxReplicas, 3);
    assert.deepEqual(errors, [
      'status.currentReplicas: Invalid value: -1: must be greater than or equal to 0',
      'status.desiredReplicas: Invalid value: -2: must be greater than or equal to 0',
    ]);
  });
});

describe('autoscalers in v1', () => {
  const conditions = '[{"type":"AbleToScale","status":"True","lastTransitionTime":null}]';

  it('get the CPU target, and lose the status, that of their annotations included', async () => {
    const { object, errors } = await create(v1Strategy, old({}, { [roundTrip.conditions]: conditions, mine: 'x' }));
    assert.deepEqual(errors, []);
    assert.deepEqual([object.spec.minReplicas, object.spec.targetCPUUtilizationPercentage], [1, 80]);
    assert.deepEqual([object.status, object.metadata.annotations], [{ currentReplicas: 0, desiredReplicas: 0 }, { mine: 'x' }]);
  });

  it('are checked as those of v2, their annotations included', async () => {
    const behavior = '{"ScaleUp":{"SelectPolicy":"Any"}}';
    await rejects(
      v1Strategy,
      old({ maxReplicas: -1 }, { [roundTrip.behavior]: behavior }),
      'spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1',
      'spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`',
      'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Any": supported values: "Disabled", "Max", "Min"',
      'spec.behavior.scaleUp.policies: Required value: must specify at least one Policy',
    );
  });

  it('keep the status on a write of the object, and all else on a write of the status', async () => {
    const { object } = await create(
      v1Strategy,
      old({}, { [roundTrip.metrics]: '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":50}}]' }),
    );
    const reported = await update(
      v1Strategy,
      object,
      (one) => {
        one.status = { currentReplicas: 2, desiredReplicas: 3, currentCPUUtilizationPercentage: 12 };
        one.metadata.annotations = { [roundTrip.conditions]: conditions };
        one.spec.maxReplicas = 99;
      },
      'status',
    );
    assert.deepEqual([reported.errors, reported.object.spec.maxReplicas], [[], 3]);
    assert.deepEqual(Object.keys(reported.object.metadata.annotations ?? {}).sort(), [
      roundTrip.conditions,
      roundTrip.currentMetrics,
      roundTrip.metrics,
    ]);
    assert.equal(reported.object.status?.currentCPUUtilizationPercentage, 12);
    const changed = await update(v1Strategy, reported.object, (one) => {
      one.spec.maxReplicas = 5;
      delete one.status;
      delete one.metadata.annotations;
    });
    assert.deepEqual(changed.object.status, reported.object.status);
    assert.deepEqual(Object.keys(changed.object.metadata.annotations ?? {}).sort(), [
      roundTrip.conditions,
      roundTrip.currentMetrics,
    ]);
  });
});
