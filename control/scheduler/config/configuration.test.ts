import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseNode } from '../decide.ts';
import { node, pod, snapshotOf } from '../objects.testing.ts';
import { filterPlugins, scorePlugins } from '../plugins.ts';
import { parseConfiguration } from './configuration.ts';
import { createProfile, defaultProfile, type Profile } from './profile.ts';

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
const profileOf = (text: string): Profile => {
  const [profile] = parseConfiguration(`${head}profiles: [{${text}}]`).profiles;
  assert.ok(profile);
  return createProfile(profile);
};
const argsOf = (name: string, args: string): Profile => profileOf(`pluginConfig: [{name: ${name}, args: {${args}}}]`);
const names = (plugins: readonly { name: string; weight?: number }[]): string[] =>
  plugins.map(({ name, weight }) => (weight === undefined ? name : `${name} ${weight}`));

describe('parseConfiguration', () => {
  const errors: [text: string, message: string | RegExp][] = [
    ['kind: X', "Object 'apiVersion' is missing"],
    ['apiVersion: v1\nkind: X', 'no kind "X" is registered for version "v1"'],
    [`${head}foo: 1`, 'strict decoding error: unknown field "foo"'],
    [
      `${head}profiles: [{plugins: {score: {enable: []}}}]`,
      'strict decoding error: unknown field "profiles[0].plugins.score.enable"',
    ],
    [
      `${head}profiles: [{pluginConfig: [{name: InterPodAffinity, args: {weight: 1}}]}]`,
      'strict decoding error: unknown field "profiles[0].pluginConfig[0].args.weight"',
    ],
    [`${head}parallelism: 1\nparallelism: 2`, /strict decoding error: [\s\S]*key "parallelism" already set in map/],
    [`${head}parallelism: 0`, 'parallelism: Invalid value: 0: should be an integer value greater than zero'],
    [`${head}percentageOfNodesToScore: 101`, 'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]'],
    [`${head}podInitialBackoffSeconds: 0`, 'podInitialBackoffSeconds: Invalid value: 0: must be greater than 0'],
    [
      `${head}podMaxBackoffSeconds: 1\npodInitialBackoffSeconds: 2`,
      'podMaxBackoffSeconds: Invalid value: 1: must be greater than or equal to PodInitialBackoffSeconds',
    ],
    [
      `${head}profiles: [{schedulerName: a}, {schedulerName: a}]`,
      'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"',
    ],
    [`${head}profiles: [{schedulerName: a}, {}]`, 'profiles[1].schedulerName: Required value'],
    [
      `${head}profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]}]`,
      'profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]',
    ],
    [
      `${head}profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: Best}}}]}]`,
      'profiles[0].pluginConfig[0].args.scoringStrategy.type: Unsupported value: "Best": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"',
    ],
    [
      `${head}profiles: [{pluginConfig: [{name: PodTopologySpread, args: {defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}}]}]`,
      'profiles[0].pluginConfig[0].args.defaultingType: Invalid value: "System": when .defaultConstraints are not empty',
    ],
    [
      `${head}extenders: [{urlPrefix: http://x, prioritizeVerb: p}]`,
      'extenders[0].weight: Invalid value: 0: must have a positive weight applied to it',
    ],
    [
      `${head}extenders: [{bindVerb: b}, {bindVerb: b}]`,
      'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
    ],
    [
      `${head}extenders: [{managedResources: [{name: cpu}, {name: a.b/c}, {name: a.b/c}]}]`,
      'extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name, ' +
        'extenders[0].managedResources[2].name: Invalid value: "a.b/c": duplicate extender managed resource name',
    ],
    [`${head}extenders: [{urlPrefx: http://x}]`, 'strict decoding error: unknown field "extenders[0].urlPrefx"'],
    [`${head}extenders: [{httpTimeout: soon}]`, 'extenders[0].httpTimeout: Invalid value: "soon": time: invalid duration "soon"'],
  ];
  for (const [text, message] of errors)
    it(`says: ${String(message)}`, () => assert.throws(() => parseConfiguration(text), { message }));

  it('completes what is not written', () => {
    const { profiles, ...rest } = parseConfiguration(head);
    assert.deepEqual(rest, {
      percentageOfNodesToScore: 0,
      podInitialBackoffMs: 1000,
      podMaxBackoffMs: 10_000,
      extenders: [],
      leaderElection: {},
      clientConnection: {},
    });
    assert.deepEqual(
      profiles.map(({ schedulerName }) => schedulerName),
      ['default-scheduler'],
    );
  });
});

describe('createProfile', () => {
  it('has upstream’s plugins, order and weights', () => {
    assert.deepEqual(names(defaultProfile().filters), names(filterPlugins));
    assert.deepEqual(names(defaultProfile().scores), names(scorePlugins));
    assert.deepEqual(defaultProfile().preemption, { minPercentage: 10, minAbsolute: 100 });
  });

  it('leaves out what is disabled, and changes weights in place', () => {
    const profile = profileOf(
      'plugins: {score: {disabled: [{name: ImageLocality}], enabled: [{name: TaintToleration, weight: 9}]}, filter: {disabled: [{name: NodePorts}]}, postFilter: {disabled: [{name: "*"}]}}',
    );
    assert.deepEqual(names(profile.scores).slice(0, 2), ['TaintToleration 9', 'NodeAffinity 2']);
    assert.ok(!names(profile.scores).some((name) => name.startsWith('ImageLocality')));
    assert.ok(!names(profile.filters).includes('NodePorts'));
    assert.equal(profile.preemption, undefined);
  });

  it('knows multiPoint', () => {
    const profile = profileOf('plugins: {multiPoint: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit, weight: 4}]}}');
    assert.deepEqual([names(profile.filters), names(profile.scores)], [['NodeResourcesFit'], ['NodeResourcesFit 4']]);
  });

  it('refuses a plugin that does not exist', () =>
    assert.throws(() => profileOf('plugins: {score: {enabled: [{name: Magic}]}}'), /plugin "Magic" does not exist/));

  const chosen = (profile: Profile, fixture = {}): string | undefined =>
    chooseNode(
      pod('p', { cpu: '1', memory: '1Gi', ...fixture }),
      snapshotOf([[node('busy', { labels: { disk: 'ssd' } }), pod('q', { cpu: '2', memory: '4Gi' })], node('free')]),
      new Map(),
      profile,
      () => 0,
    ).node;

  it('passes arguments to plugins', () => {
    assert.equal(chosen(defaultProfile()), 'free');
    assert.equal(chosen(argsOf('NodeResourcesFit', 'scoringStrategy: {type: MostAllocated}')), 'busy');
    const shape = 'shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]';
    assert.equal(
      chosen(
        argsOf('NodeResourcesFit', `scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {${shape}}}`),
      ),
      'busy',
    );
    const added = (when: string): string => `addedAffinity: {${when}}`;
    const onSsd = 'matchExpressions: [{key: disk, operator: In, values: [ssd]}]';
    const required = `requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{${onSsd}}]}`;
    assert.equal(chosen(argsOf('NodeAffinity', added(required))), 'busy');
    const preferred = `preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {${onSsd}}}]`;
    assert.equal(chosen(argsOf('NodeAffinity', added(preferred))), 'busy');
  });

  it('ignores extended resources that it is told to ignore', () => {
    const fixture = { resources: {}, containers: undefined, overhead: { 'example.com/gpu': '1' } };
    assert.equal(chosen(defaultProfile(), fixture), undefined);
    assert.equal(chosen(argsOf('NodeResourcesFit', 'ignoredResourceGroups: [example.com]'), fixture), 'free');
  });

  it('has the textbook’s free-space strategy: 5 CPUs asked, 10 and 20 free; 5 against 15', () => {
    const profile = profileOf('plugins: {score: {disabled: [{name: "*"}], enabled: [{name: FreeSpace}]}}');
    const nodes = [node('first', { allocatable: { cpu: '10' } }), node('second', { allocatable: { cpu: '20' } })];
    const choice = chooseNode(pod('p', { cpu: '5' }), snapshotOf(nodes), new Map(), profile, () => 0);
    assert.deepEqual([choice.node, choice.scores.map(({ raw }) => raw)], ['second', [[5, 15]]]);
  });
});
