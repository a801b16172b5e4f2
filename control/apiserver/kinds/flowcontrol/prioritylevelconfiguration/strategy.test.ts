import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  LimitedPriorityLevelConfiguration,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from '#api/types.generated.ts';
import { row, metadata as shownMetadata } from '../../columns.testing.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { mandatoryPriorityLevels, suggestedPriorityLevels } from '../default-objects.ts';
import { priorityLevelColumns } from './columns.ts';
import { priorityLevelKind } from './strategy.ts';

const { strategy } = priorityLevelKind;
const level = (
  spec: PriorityLevelConfigurationSpec,
  name = 'mine',
  annotations?: Record<string, string>,
): PriorityLevelConfiguration => ({
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
  kind: 'PriorityLevelConfiguration',
  metadata: { ...systemMeta(name), ...(annotations === undefined ? {} : { annotations }) },
  spec,
});
const limited = (more: LimitedPriorityLevelConfiguration = {}): PriorityLevelConfigurationSpec => ({
  type: 'Limited',
  limited: { limitResponse: { type: 'Reject' }, ...more },
});
const queued = (queuing?: QueuingConfiguration): PriorityLevelConfigurationSpec =>
  limited({ limitResponse: { type: 'Queue', ...(queuing === undefined ? {} : { queuing }) } });

describe('PriorityLevelConfigurations', () => {
  it("have 30 shares and upstream's queues", async () => {
    const { object, errors } = await create(strategy, level(queued({ queues: 0 })));
    assert.deepEqual(errors, []);
    assert.deepEqual(object.spec.limited, {
      nominalConcurrencyShares: 30,
      lendablePercent: 0,
      limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
    });
    const { object: zero } = await create(strategy, level(limited({ nominalConcurrencyShares: 0 })));
    assert.equal(zero.spec.limited?.nominalConcurrencyShares, 0);
  });

  for (const [name, spec] of Object.entries({ ...mandatoryPriorityLevels, ...suggestedPriorityLevels }))
    it(`that are upstream's ${name} are valid, and complete`, async () => {
      const { object, errors } = await create(strategy, level(structuredClone(spec), name));
      assert.deepEqual([errors, object.spec], [[], spec]);
    });

  const q = 'spec.limited.limitResponse.queuing';
  const refused: [what: string, spec: PriorityLevelConfigurationSpec, errors: string[]][] = [
    ['no type', { type: '' }, ['spec.type: Unsupported value: "": supported values: "Exempt", "Limited"']],
    [
      'no limits of their own',
      { type: 'Exempt' },
      ["spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'"],
    ],
    ['nothing of their type', { type: 'Limited' }, ['spec.limited: Required value: must not be empty when type is Limited']],
    ['both types', { ...limited(), exempt: {} }, ['spec.exempt: Forbidden: must be nil if the type is Limited']],
    [
      'odd numbers',
      limited({ nominalConcurrencyShares: -1, lendablePercent: 101, borrowingLimitPercent: -1 }),
      [
        'spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
        'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
        'spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer',
      ],
    ],
    [
      'an unknown response',
      limited({ limitResponse: { type: 'Cry' } }),
      ['spec.limited.limitResponse.type: Unsupported value: "Cry": supported values: "Queue", "Reject"'],
    ],
    ['queues without numbers', queued(), [`${q}: Required value: must not be empty if limited.limitResponse.type is Limited`]],
    [
      'queues where none are used',
      limited({ limitResponse: { type: 'Reject', queuing: {} } }),
      [`${q}: Forbidden: must be nil if limited.limitResponse.type is not Limited`],
    ],
    [
      'negative numbers of queues',
      queued({ queues: -1, handSize: -1, queueLengthLimit: -1 }),
      [
        `${q}.queueLengthLimit: Invalid value: -1: must be positive`,
        `${q}.queues: Invalid value: -1: must be positive`,
        `${q}.handSize: Invalid value: -1: must be positive`,
      ],
    ],
    [
      'too many queues',
      queued({ queues: 10_000_001, handSize: 1 }),
      [`${q}.queues: Invalid value: 10000001: must not be greater than 10000000`],
    ],
    [
      'hands of more queues than there are',
      queued({ queues: 4, handSize: 5 }),
      [`${q}.handSize: Invalid value: 5: should not be greater than queues (4)`],
    ],
    [
      'hands that no hash can deal',
      queued({ queues: 512, handSize: 7 }),
      [`${q}.handSize: Invalid value: 7: required entropy bits of deckSize 512 and handSize 7 should not be greater than 60`],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, level(spec), ...errors);
    });

  it('cannot have the annotation of v1beta3', async () => {
    const name = 'flowcontrol.k8s.io/preserve-zero-concurrency-shares';
    await rejects(
      strategy,
      level(limited(), 'mine', { [name]: '' }),
      `metadata.annotations: Forbidden: annotation '${name}' is forbidden`,
    );
  });

  it('that are mandatory keep their spec, but for what the exempt one lends', async () => {
    const changed = async (name: string, change: (spec: PriorityLevelConfigurationSpec) => void): Promise<string[]> => {
      const object = level(structuredClone(mandatoryPriorityLevels[name] as PriorityLevelConfigurationSpec), name);
      return (await update(strategy, object, ({ spec }) => change(spec))).errors;
    };
    assert.deepEqual(
      await changed('exempt', (spec) => void (spec.exempt = { nominalConcurrencyShares: 9, lendablePercent: 50 })),
      [],
    );
    const [exempt] = await changed('exempt', (spec) => void (spec.limited = {}));
    assert.match(exempt ?? '', /spec\.limited: Forbidden/);
    const [catchAll] = await changed(
      'catch-all',
      (spec) => void (spec.limited = { ...spec.limited, nominalConcurrencyShares: 6 }),
    );
    assert.match(catchAll ?? '', /^spec: Invalid value: \{"Type":"Limited",.*: spec of 'catch-all' must equal the fixed value$/);
  });

  it('show their shares and queues', () => {
    const shown = (spec: PriorityLevelConfigurationSpec) =>
      row(priorityLevelColumns, { ...level(spec), metadata: shownMetadata });
    const none = '<none>';
    assert.deepEqual(shown(mandatoryPriorityLevels['exempt'] as PriorityLevelConfigurationSpec), {
      Name: 'x',
      Type: 'Exempt',
      NominalConcurrencyShares: none,
      Queues: none,
      HandSize: none,
      QueueLengthLimit: none,
      Age: '5m',
    });
    assert.deepEqual(shown(suggestedPriorityLevels['system'] as PriorityLevelConfigurationSpec), {
      Name: 'x',
      Type: 'Limited',
      NominalConcurrencyShares: 30,
      Queues: 64,
      HandSize: 6,
      QueueLengthLimit: 50,
      Age: '5m',
    });
  });
});
