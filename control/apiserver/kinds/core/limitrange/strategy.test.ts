import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LimitRange, LimitRangeItem } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { limitRangeKind } from './strategy.ts';

const { strategy } = limitRangeKind;
const limitRange = (...limits: LimitRangeItem[]): LimitRange => ({
  apiVersion: 'v1',
  kind: 'LimitRange',
  metadata: systemMeta('limits', 'ns'),
  spec: { limits },
});

describe('limit ranges', () => {
  it('give containers defaults from maximum, limit and minimum', async () => {
    const item = { type: 'Container', max: { cpu: '4' }, default: { memory: '2Gi' }, min: { 'ephemeral-storage': '1Gi' } };
    const { object, errors } = await create(strategy, limitRange(item));
    assert.deepEqual(errors, []);
    assert.deepEqual(object.spec.limits[0]?.default, { memory: '2Gi', cpu: '4' });
    assert.deepEqual(object.spec.limits[0]?.defaultRequest, { memory: '2Gi', cpu: '4', 'ephemeral-storage': '1Gi' });
  });

  it('give pods and claims no defaults', async () => {
    const items = [
      { type: 'Pod', max: { cpu: '4' } },
      { type: 'PersistentVolumeClaim', max: { storage: '4' } },
    ];
    const { object, errors } = await create(strategy, limitRange(...items));
    assert.deepEqual([object.spec.limits, errors], [items, []]);
  });

  it('get a name when they have none', async () => {
    const nameless = limitRange();
    nameless.metadata.name = '';
    const { object, errors } = await create(strategy, nameless);
    assert.match(object.metadata.name, /^[0-9a-f-]{36}$/);
    assert.deepEqual(errors, []);
  });

  const container = (more: Partial<LimitRangeItem>): LimitRangeItem => ({ type: 'Container', ...more });
  const forPod = "may not be specified when `type` is 'Pod'";
  const refused: [what: string, items: LimitRangeItem[], errors: string[]][] = [
    ['a type twice', [{ type: 'Pod' }, { type: 'Pod' }], ['spec.limits[1].type: Duplicate value: "Pod"']],
    [
      'an unknown type',
      [{ type: 'Disk' }],
      ['spec.limits[0].type: Invalid value: "Disk": must be a standard limit type or fully qualified'],
    ],
    [
      'defaults of pods',
      [{ type: 'Pod', default: { cpu: '1' }, defaultRequest: { cpu: '1' } }],
      [`spec.limits[0].default: Forbidden: ${forPod}`, `spec.limits[0].defaultRequest: Forbidden: ${forPod}`],
    ],
    [
      'no bounds of claims',
      [{ type: 'PersistentVolumeClaim' }],
      ['spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided'],
    ],
    [
      'a minimum above the maximum',
      [{ type: 'Pod', min: { cpu: '2' }, max: { cpu: '1000m' } }],
      ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
    ],
    [
      'a default outside of the bounds',
      [container({ min: { cpu: '2' }, max: { cpu: '4' }, default: { cpu: '5' }, defaultRequest: { cpu: '1' } })],
      [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "4": default value 5 is greater than max value 4',
      ],
    ],
    [
      'a default below the minimum and its request',
      [container({ min: { cpu: '2' }, default: { cpu: '1' }, defaultRequest: { cpu: '3' } })],
      [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than default limit value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
      ],
    ],
    [
      'a ratio below one',
      [{ type: 'Pod', maxLimitRequestRatio: { memory: '800m' } }],
      ['spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: "800m": ratio 800m is less than 1'],
    ],
    [
      'a ratio that the bounds never reach',
      [{ type: 'Pod', max: { memory: '2Gi' }, min: { memory: '1Gi' }, maxLimitRequestRatio: { memory: '10' } }],
      ['spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: "10": ratio 10 is greater than max/min = 2.000000'],
    ],
    [
      'two numbers of what cannot be overcommitted',
      [container({ default: { 'example.com/gpu': '2' }, defaultRequest: { 'example.com/gpu': '1' } })],
      [
        'spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in example.com/gpu',
      ],
    ],
    [
      'what no container asks for',
      [container({ max: { storage: '1' } })],
      ['max', 'default', 'defaultRequest'].map(
        (list) => `spec.limits[0].${list}[storage]: Invalid value: "storage": must be a standard resource for containers`,
      ),
    ],
  ];
  for (const [what, items, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, limitRange(...items), ...errors);
    });

  it('are checked on update, too', async () => {
    const { object: old } = await create(strategy, limitRange({ type: 'Pod' }));
    const { errors } = await update(strategy, old, ({ spec }) => {
      spec.limits.push({ type: 'Pod' });
    });
    assert.deepEqual(errors, ['spec.limits[1].type: Duplicate value: "Pod"']);
  });
});
