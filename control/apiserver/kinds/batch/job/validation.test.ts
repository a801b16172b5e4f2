import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Job, JobSpec, JobStatus, PodSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { jobKind } from './strategy.ts';

const { strategy } = jobKind;
const pod = (more: object = {}): PodSpec => ({ containers: [{ name: 'c', image: 'busybox' }], restartPolicy: 'Never', ...more });
const job = (spec: Partial<JobSpec> = {}, name = 'pi'): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: systemMeta(name, 'ns'),
  spec: { template: { spec: pod() }, ...spec },
});
const indexed = (spec: Partial<JobSpec> = {}): Job => job({ completionMode: 'Indexed', completions: 4, parallelism: 2, ...spec });
const exitCodes = (values: number[], more: object = {}): Partial<JobSpec> => ({
  podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values, ...more } }] },
});
const longName = 'x'.repeat(62);
const rule = 'spec.podFailurePolicy.rules[0]';
const success = 'spec.successPolicy.rules[0]';

describe('jobs are rejected', () => {
  const cases: [string, Job, string[]][] = [
    ['negative numbers', job({ parallelism: -1 }), ['spec.parallelism: Invalid value: -1: must be greater than or equal to 0']],
    [
      'a restart policy that never ends',
      job({ template: { spec: pod({ restartPolicy: 'Always' }) } }),
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      'a failure policy with restarts in place',
      job({ ...exitCodes([1]), template: { spec: pod({ restartPolicy: 'OnFailure' }) } }),
      [
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
      ],
    ],
    [
      'an unknown completion mode',
      job({ completionMode: 'Some' }),
      ['spec.completionMode: Unsupported value: "Some": supported values: "NonIndexed", "Indexed"'],
    ],
    [
      'indexes without a number',
      job({ completionMode: 'Indexed', parallelism: 1 }),
      ['spec.completions: Required value: when completion mode is Indexed'],
    ],
    [
      'limits of indexes without indexes',
      job({ backoffLimitPerIndex: 1, maxFailedIndexes: 1 }),
      [
        'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
        'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
      ],
    ],
    [
      'a number of failed indexes without their limit, and above completions',
      indexed({ maxFailedIndexes: 5 }),
      [
        'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
        'spec.maxFailedIndexes: Invalid value: 5: must be less than or equal to completions',
      ],
    ],
    [
      'very many indexes',
      indexed({ completions: 100_001, parallelism: 10_001, backoffLimitPerIndex: 1 }),
      [
        'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
        'spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
      ],
    ],
    [
      'a manager without a domain',
      job({ managedBy: 'me' }),
      ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [
      'a manager with a long name and odd characters',
      job({ managedBy: `acme.io/${'a'.repeat(60)}#` }),
      [
        `spec.managedBy: Invalid value: "${'a'.repeat(60)}#": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')`,
        'spec.managedBy: Too long: may not be more than 63 bytes',
      ],
    ],
    [
      'a replacement policy that a failure policy excludes',
      job({ ...exitCodes([1]), podReplacementPolicy: 'TerminatingOrFailed' }),
      ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
    ],
    [
      'exit codes out of order, repeated, and zero',
      job(exitCodes([2, 0, 2])),
      [
        `${rule}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator`,
        `${rule}.onExitCodes.values[2]: Duplicate value: 2`,
        `${rule}.onExitCodes.values: Invalid value: [2,0,2]: must be ordered`,
      ],
    ],
    [
      'an unknown container, operator and no exit codes',
      job(exitCodes([], { operator: 'Is', containerName: 'd' })),
      [
        `${rule}.onExitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"`,
        `${rule}.onExitCodes.containerName: Invalid value: "d": must be one of the container or initContainer names in the pod template`,
        `${rule}.onExitCodes.values: Invalid value: []: at least one value is required`,
      ],
    ],
    [
      'a rule about nothing',
      job({ podFailurePolicy: { rules: [{ action: '' }] } }),
      [
        `${rule}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`,
        `${rule}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`,
      ],
    ],
    [
      'an index that fails without a limit, on a condition that is none',
      job({ podFailurePolicy: { rules: [{ action: 'FailIndex', onPodConditions: [{ type: 'Ready', status: 'Maybe' }] }] } }),
      [
        `${rule}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
        `${rule}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
      ],
    ],
    [
      'a success policy without indexes',
      job({ successPolicy: { rules: [{ succeededCount: 1 }] } }),
      [
        'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: requires indexed completion mode',
      ],
    ],
    [
      'a success policy without rules',
      indexed({ successPolicy: { rules: [] } }),
      ['spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified'],
    ],
    [
      'a success rule about nothing',
      indexed({ successPolicy: { rules: [{}] } }),
      [`${success}: Required value: at least one of succeededCount or succeededIndexes must be specified`],
    ],
    ...(
      [
        ['0,2-4', 'too large index: "4"'],
        [
          '0-1-2',
          `the fragment "0-1-2" violates the requirement that an index interval can have at most two parts separated by '-'`,
        ],
        ['1,1', 'non-increasing order, previous: 1, current: 1'],
        ['2-1', 'non-increasing order, previous: 2, current: 1'],
        ['a', 'cannot convert string to integer for index: "a"'],
      ] as const
    ).map(([succeededIndexes, error]): [string, Job, string[]] => [
      `the indexes ${succeededIndexes}`,
      indexed({ successPolicy: { rules: [{ succeededIndexes }] } }),
      [`${success}.succeededIndexes: Invalid value: "${succeededIndexes}": error parsing succeededIndexes: ${error}`],
    ]),
    [
      'more successes than indexes',
      indexed({ successPolicy: { rules: [{ succeededIndexes: '0-2', succeededCount: 5 }] } }),
      [
        `${success}.succeededCount: Invalid value: 5: must be less than or equal to 4 (the number of specified completions)`,
        `${success}.succeededCount: Invalid value: 5: must be less than or equal to 3 (the number of indexes in the specified succeededIndexes field)`,
      ],
    ],
    [
      'a name too long for the host names of its pods',
      { ...indexed(), metadata: systemMeta(longName, 'ns') },
      [`metadata.name: Invalid value: "${longName}": will not able to create pod with invalid DNS label: ${longName}-3`],
    ],
    [
      'labels that are not those that are generated',
      job({ template: { metadata: { labels: { 'job-name': 'other' } }, spec: pod() } }),
      [
        `spec.template.metadata.labels[job-name]: Invalid value: {"job-name":"other","batch.kubernetes.io/job-name":"pi","controller-uid":"u1","batch.kubernetes.io/controller-uid":"u1"}: must be 'pi'`,
      ],
    ],
    [
      'a selector of its own without saying so',
      job({ selector: { matchLabels: { app: 'x' } }, template: { metadata: { labels: { app: 'x' } }, spec: pod() } }),
      [
        'spec.selector: Invalid value: {"matchLabels":{"app":"x","batch.kubernetes.io/controller-uid":"u1"}}: `selector` not auto-generated',
      ],
    ],
    [
      'manual selection without a selector',
      job({ manualSelector: true }),
      [
        'spec.selector: Required value',
        'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
      ],
    ],
  ];
  for (const [name, object, errors] of cases) it(name, () => rejects(strategy, object, ...errors));
});

describe('updates of jobs', () => {
  const immutable = (path: string, value: unknown): string =>
    `${path}: Invalid value: ${JSON.stringify(value)}: field is immutable`;
  const cases: [string, Job, JobStatus, (spec: JobSpec) => void, RegExp[]][] = [
    ['parallelism changes', job(), {}, (spec) => void (spec.parallelism = 5), []],
    [
      'completions do not',
      job(),
      {},
      (spec) => void (spec.completions = 5),
      [/^spec.completions: Invalid value: 5: field is immutable/],
    ],
    [
      'those of an indexed job only with parallelism',
      indexed(),
      {},
      (spec) => void (spec.completions = 5),
      [/^spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism/],
    ],
    ['and together they do', indexed(), {}, (spec) => Object.assign(spec, { completions: 5, parallelism: 5 }), []],
    [
      'policies do not change',
      job(exitCodes([1])),
      {},
      (spec) => void delete spec.podFailurePolicy,
      [/^spec.podFailurePolicy: Invalid value: null: field is/],
    ],
    [
      'nor does the manager',
      job(),
      {},
      (spec) => void (spec.managedBy = 'a.io/b'),
      [/^spec.managedBy: Invalid value: "a.io\/b": field is immutable/],
    ],
    [
      'the template does not',
      job(),
      {},
      (spec) => void ((spec.template.spec ??= pod()).nodeSelector = { a: 'b' }),
      [/^spec.template: .*field is immutable$/],
    ],
    [
      'where pods of a suspended job run and what they request changes',
      job({ suspend: true }),
      {},
      ({ template }) => {
        template.metadata = { ...template.metadata, annotations: { a: 'b' } };
        template.spec = {
          ...pod(),
          ...template.spec,
          nodeSelector: { a: 'b' },
          tolerations: [{ operator: 'Exists' }],
          schedulingGates: [{ name: 'x' }],
          affinity: { nodeAffinity: {} },
          containers: (template.spec?.containers ?? []).map((one) => ({ ...one, resources: { requests: { cpu: '1' } } })),
        };
      },
      [],
    ],
    [
      'but not what they run',
      job({ suspend: true }),
      {},
      ({ template }) => void (template.spec = { ...pod(), ...template.spec, hostNetwork: true }),
      [/^spec.template.spec: .*field is immutable$/],
    ],
    [
      'nor while pods are left',
      job({ suspend: true }),
      { startTime: '2026-01-01T00:00:00Z', active: 1, conditions: [{ type: 'Suspended', status: 'True' }] },
      ({ template }) => void ((template.spec ??= pod()).nodeSelector = { a: 'b' }),
      [/^spec.template: .*field is immutable$/],
    ],
    [
      'and again once it has been stopped',
      job({ suspend: true }),
      { startTime: '2026-01-01T00:00:00Z', conditions: [{ type: 'Suspended', status: 'True' }] },
      ({ template }) => void ((template.spec ??= pod()).nodeSelector = { a: 'b' }),
      [],
    ],
  ];
  for (const [name, submitted, status, change, errors] of cases)
    it(name, async () => {
      const { object } = await create(strategy, submitted);
      const updated = await update(strategy, { ...object, status }, ({ spec }) => change(spec));
      assert.equal(updated.errors.length, errors.length, updated.errors.join('\n'));
      errors.forEach((pattern, index) => {
        assert.match(updated.errors[index] ?? '', pattern);
      });
    });

  it('show policies as upstream does', async () => {
    const { object } = await create(strategy, job(exitCodes([1])));
    const { errors } = await update(strategy, object, ({ spec }) => {
      Object.assign(spec, exitCodes([2]));
    });
    const shown = {
      Rules: [{ Action: 'FailJob', OnExitCodes: { ContainerName: null, Operator: 'In', Values: [2] }, OnPodConditions: null }],
    };
    assert.deepEqual(errors, [immutable('spec.podFailurePolicy', shown)]);
  });

  it('jobs from before labels had a prefix may stay as they are', async () => {
    const { object } = await create(strategy, job());
    const old = structuredClone(object);
    old.spec.template.metadata = { labels: { 'job-name': 'pi', 'controller-uid': 'u1' } };
    old.spec.selector = { matchLabels: { 'controller-uid': 'u1' } };
    assert.deepEqual((await update(strategy, old, ({ spec }) => void (spec.parallelism = 2))).errors, []);
  });
});
