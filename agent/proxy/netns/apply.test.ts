/** What is in the kernel after updates step by step is what one full write makes; shown with iptables-save. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { createApplier, RestoreError } from '../apply.ts';
import { endpoint, notReady, service, slice, terminating } from '../fixtures.ts';
import { compileRuleset, type Ruleset } from '../ruleset.ts';
import { buildServiceState } from '../state.ts';

const inNamespace =
  (namespace: string): Exec =>
  (argv, options) =>
    execFile(['ip', 'netns', 'exec', namespace, ...argv], options);

/** One service of the generated states. */
interface Shape {
  endpoints: number[];
  kind: 'ClusterIP' | 'NodePort' | 'Local' | 'LoadBalancer' | 'Sticky';
  condition: 'ready' | 'terminating' | 'notReady';
}

const shape: fc.Arbitrary<Shape> = fc.record({
  endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
  kind: fc.constantFrom('ClusterIP', 'NodePort', 'Local', 'LoadBalancer', 'Sticky'),
  condition: fc.constantFrom('ready', 'terminating', 'notReady'),
});
/** Up to four services, each there or not. */
const world = fc.array(fc.option(shape, { nil: undefined }), { minLength: 4, maxLength: 4 });

function rulesetOf(shapes: readonly (Shape | undefined)[]): Ruleset {
  const present = shapes.flatMap((entry, index) => (entry === undefined ? [] : [{ ...entry, key: `default/s${index}`, index }]));
  const services = present.map(({ kind, key, index }) => {
    const port = { name: 'http', port: 80, ...(kind === 'ClusterIP' ? {} : { nodePort: 30000 + index }) };
    return service(key, `10.96.0.${10 + index}`, [port], specs[kind], kind === 'LoadBalancer' ? ['198.51.100.1'] : []);
  });
  const endpointSlices = present.map(({ key, endpoints, condition }) => {
    const conditions = { ready: undefined, terminating, notReady }[condition];
    return slice(
      key,
      [{ name: 'http', port: 8080 }],
      endpoints.map((last) => endpoint(`10.244.0.${last}`, last % 2 === 0 ? 'here' : 'there', conditions)),
    );
  });
  return compileRuleset(buildServiceState({ services, endpointSlices }, { nodeName: 'here' }), { clusterCidr: '10.244.0.0/16' });
}

const specs = {
  ClusterIP: {},
  NodePort: {},
  Local: { externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' },
  LoadBalancer: { type: 'LoadBalancer', loadBalancerSourceRanges: ['203.0.113.0/24'] },
  Sticky: { sessionAffinity: 'ClientIP' },
};

/** Chains and rules as the kernel holds them; the order of rules counts, that of chains does not. */
async function dump(exec: Exec): Promise<string> {
  const { stdout } = await exec(['iptables-save']);
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const chains = new Map<string, string[]>();
  let table = '';
  for (const line of lines) {
    if (line.startsWith('*')) table = line;
    const name = /^(?::|-A )(\S+)/.exec(line)?.[1];
    if (name === undefined) continue;
    const key = `${table} ${name}`;
    const rules = chains.get(key) ?? [];
    chains.set(key, rules);
    if (line.startsWith('-A')) rules.push(line);
  }
  return [...chains]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, rules]) => [key, ...rules].join('\n'))
    .join('\n');
}

describe('createApplier', () => {
  const namespaces = ['stepwise', 'afresh'].map((name) => `tprox-${process.pid}-${name}`);
  const [stepwise, afresh] = namespaces.map(inNamespace) as [Exec, Exec];
  const quiet = (message: string): never => assert.fail(message);

  before(async () => {
    for (const namespace of namespaces) await execFile(['ip', 'netns', 'add', namespace]);
  });
  after(async () => {
    for (const namespace of namespaces) await execFile(['ip', 'netns', 'del', namespace]);
  });

  it('leaves the same rules after updates step by step as after one full write', async () => {
    const updates = createApplier({ exec: stepwise, warn: quiet });
    let partial = 0;
    await fc.assert(
      fc.asyncProperty(world, async (shapes) => {
        const rules = rulesetOf(shapes);
        if ((await updates.apply(rules)).mode === 'partial') partial++;
        await afresh(['nft', 'flush', 'ruleset']);
        await createApplier({ exec: afresh, warn: quiet }).apply(rules);
        assert.equal(await dump(stepwise), await dump(afresh));
      }),
      { numRuns: 25, seed: 1 },
    );
    assert.ok(partial >= 15, `only ${partial} partial updates`);
  });

  it('makes a full write over foreign and stale rules end in the same place', async () => {
    const rules = rulesetOf([{ endpoints: [1, 2], kind: 'NodePort', condition: 'ready' }]);
    await stepwise(['iptables', '-t', 'nat', '-N', 'KUBE-SEP-STALESTALESTALE0']);
    await stepwise(['iptables', '-t', 'nat', '-I', 'KUBE-SERVICES', '-d', '10.96.0.99', '-j', 'KUBE-SEP-STALESTALESTALE0']);
    await createApplier({ exec: stepwise, warn: quiet }).apply(rules);
    await afresh(['nft', 'flush', 'ruleset']);
    await createApplier({ exec: afresh, warn: quiet }).apply(rules);
    assert.equal(await dump(stepwise), await dump(afresh));
  });

  it('does nothing when nothing differs, and touches few chains when one endpoint comes', async () => {
    const applier = createApplier({ exec: stepwise, warn: quiet });
    const before = rulesetOf([{ endpoints: [1], kind: 'ClusterIP', condition: 'ready' }]);
    await applier.apply(before);
    assert.deepEqual(await applier.apply(before), { mode: 'unchanged', chains: 0 });
    const more = rulesetOf([{ endpoints: [1, 2], kind: 'ClusterIP', condition: 'ready' }]);
    assert.deepEqual(await applier.apply(more), { mode: 'partial', chains: 2 });
    assert.deepEqual(await applier.apply(before), { mode: 'partial', chains: 2 });
  });

  it('writes IPv6 rules with ip6tables', async () => {
    const state = buildServiceState(
      {
        services: [
          service('default/v6', 'fd00:10::1', [{ name: 'http', port: 80, nodePort: 30080 }], { sessionAffinity: 'ClientIP' }),
        ],
        endpointSlices: [slice('default/v6', [{ name: 'http', port: 8080 }], [endpoint('fd00:1::1'), endpoint('fd00:1::2')])],
      },
      { nodeName: 'here', family: 'IPv6' },
    );
    const applier = createApplier({ exec: afresh, warn: quiet }, 'IPv6');
    await applier.apply(compileRuleset(state, { clusterCidr: 'fd00:1::/64' }));
    assert.ok(await applier.intact());
    const { stdout } = await afresh(['ip6tables-save', '-t', 'nat']);
    assert.match(stdout, /-A KUBE-SERVICES -d fd00:10::1\/128 -p tcp .*-j KUBE-SVC-/);
    assert.match(stdout, /-j DNAT --to-destination \[fd00:1::2\]:8080/);
    await applier.remove();
    assert.doesNotMatch((await afresh(['ip6tables-save'])).stdout, /KUBE-(?!FIREWALL)/);
  });

  it('names the line that iptables-restore refuses', async () => {
    const applier = createApplier({ exec: stepwise, warn: quiet });
    const broken: Ruleset = { mangle: new Map(), filter: new Map(), nat: new Map([['KUBE-SERVICES', ['-j KUBE-NOWHERE']]]) };
    await assert.rejects(applier.apply(broken), (error) => {
      assert.ok(error instanceof RestoreError);
      return assert.match(error.message, /iptables-restore: .*\(line \d+: .*(KUBE-NOWHERE|COMMIT).*\)/s) === undefined;
    });
  });
});
