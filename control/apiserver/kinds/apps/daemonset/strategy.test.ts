import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DaemonSet, DaemonSetSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { defaultedTemplate, labels, template } from '../../template.testing.ts';
import { daemonSetKind } from './strategy.ts';

const { strategy } = daemonSetKind;
const generationOf = ({ metadata }: DaemonSet) => metadata.annotations?.['deprecated.daemonset.template.generation'];
const daemonSet = (spec: Partial<DaemonSetSpec> = {}): DaemonSet => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: systemMeta('web', 'ns'),
  spec: { selector: { matchLabels: labels }, template, ...spec },
});
const stored = async (spec?: Partial<DaemonSetSpec>): Promise<DaemonSet> => (await create(strategy, daemonSet(spec))).object;

describe('daemon sets', () => {
  it('get what upstream fills in', async () => {
    const { object, errors } = await create(strategy, daemonSet());
    assert.deepEqual(errors, []);
    assert.deepEqual(object, {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: {
        ...systemMeta('web', 'ns'),
        generation: 1,
        annotations: { 'deprecated.daemonset.template.generation': '1' },
      },
      spec: {
        revisionHistoryLimit: 10,
        selector: { matchLabels: labels },
        template: defaultedTemplate,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      },
      status: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
    });
  });

  it('count their templates in an annotation that nobody else can change', async () => {
    const old = await stored();
    const touched = await update(strategy, old, ({ metadata, spec }) => {
      metadata.annotations = { mine: 'x', 'deprecated.daemonset.template.generation': '40' };
      spec.minReadySeconds = 5;
    });
    assert.deepEqual([generationOf(touched.object), touched.object.metadata.generation], ['1', 2]);
    const changed = await update(strategy, old, ({ metadata, spec }) => {
      delete metadata.annotations;
      spec.template.spec = { containers: [{ name: 'c', image: 'nginx:2' }] };
    });
    assert.deepEqual([generationOf(changed.object), changed.object.metadata.generation, changed.errors], ['2', 2, []]);
    const reported = await update(strategy, changed.object, ({ metadata }) => void delete metadata.annotations, 'status');
    assert.equal(generationOf(reported.object), '2');
    const first = await create(strategy, {
      ...daemonSet(),
      metadata: { ...systemMeta('web', 'ns'), annotations: { 'deprecated.daemonset.template.generation': '7' } },
    });
    assert.equal(generationOf(first.object), '7');
  });

  it('refuse a number of the template that is none', async () => {
    for (const [text, problem] of [
      ['many', 'invalid syntax'],
      ['9223372036854775808', 'value out of range'],
    ] as const) {
      const metadata = { ...systemMeta('web', 'ns'), annotations: { 'deprecated.daemonset.template.generation': text } };
      await assert.rejects(create(strategy, { ...daemonSet(), metadata }), {
        message: `DaemonSet in version "v1" cannot be handled as a DaemonSet: strconv.ParseInt: parsing "${text}": ${problem}`,
      });
    }
  });

  const rolling = (rollingUpdate: object) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
  for (const [what, spec, ...expected] of [
    [
      'a selector that does not match',
      { selector: { matchLabels: { app: 'db' } } },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    ['an empty selector', { selector: {} }, 'spec.selector: Invalid value: {}: empty selector is invalid for daemonset'],
    [
      'no selector',
      { selector: undefined },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [
      'an unknown operator',
      { selector: { matchExpressions: [{ key: 'app', operator: 'Like' }] } },
      'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
    ],
    [
      'surge and unavailability together',
      rolling({ maxSurge: 1, maxUnavailable: '10%' }),
      'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero',
    ],
    [
      'neither surge nor unavailability',
      rolling({ maxUnavailable: 0 }),
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
    ],
    [
      'more than all',
      rolling({ maxUnavailable: '101%' }),
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ],
    [
      'an unknown strategy',
      { updateStrategy: { type: 'Never' } },
      'spec.updateStrategy: Unsupported value: {"Type":"Never","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"',
    ],
    [
      'negative numbers',
      { minReadySeconds: -1, revisionHistoryLimit: -2 },
      'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.revisionHistoryLimit: Invalid value: -2: must be greater than or equal to 0',
    ],
    [
      'pods that end',
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never', activeDeadlineSeconds: 5 } } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported',
    ],
  ] as [string, Partial<DaemonSetSpec>, ...string[]][]) {
    it(`refuse ${what}`, () => rejects(strategy, daemonSet(spec), ...expected));
  }

  it('take OnDelete with or without numbers for a rolling update', () =>
    rejects(strategy, daemonSet({ updateStrategy: { type: 'OnDelete', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } })));

  it('do not change their selector', async () => {
    const { errors } = await update(strategy, await stored(), ({ spec }) => {
      spec.selector = { matchLabels: { app: 'web', tier: 'x' } };
      spec.template.metadata = { labels: { app: 'web', tier: 'x' } };
    });
    assert.deepEqual(errors, ['spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"x"}}: field is immutable']);
  });

  it('refuse counts below zero', async () => {
    const old = { ...(await stored()), status: { ...(await stored()).status, collisionCount: 2 } } as DaemonSet;
    const { errors } = await update(
      strategy,
      old,
      (changed) => {
        changed.status = { currentNumberScheduled: -1, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 5 };
      },
      'status',
    );
    assert.deepEqual(errors, [
      'status.currentNumberScheduled: Invalid value: -1: must be greater than or equal to 0',
      'status.collisionCount: Invalid value: 0: cannot be decremented',
    ]);
  });
});
