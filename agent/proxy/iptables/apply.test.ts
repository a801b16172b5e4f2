/** Tests of iptables only. `backend.contract.ts` tests the behaviour that all backends share. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { endpoint, service, slice } from '../objects.testing.ts';
import { buildServiceState } from '../state.ts';
import { RestoreError, RuleApplier } from './apply.ts';
import { type CompiledState, compileState } from './ruleset.ts';
import { dumpIptables } from './saved-rules.testing.ts';

function rulesOf(...endpoints: string[]): CompiledState {
  const services = [service('default/web', '10.96.0.10', [{ name: 'http', port: 80 }])];
  const endpointSlices = [
    slice(
      'default/web',
      [{ name: 'http', port: 8080 }],
      endpoints.map((ip) => endpoint(ip)),
    ),
  ];
  return compileState(buildServiceState({ services, endpointSlices }, { nodeName: 'here' }));
}

describe('RuleApplier', () => {
  const namespace = `tprox-${process.pid}-apply`;
  const exec: Exec = (argv, options) => execFile(['ip', 'netns', 'exec', namespace, ...argv], options);
  const quiet = (message: string): never => assert.fail(message);

  before(() => execFile(['ip', 'netns', 'add', namespace]));
  after(() => execFile(['ip', 'netns', 'del', namespace]));
  beforeEach(() => exec(['nft', 'flush', 'ruleset']));

  it('deletes service chains that an earlier run has left', async () => {
    await new RuleApplier({ exec, warn: quiet }).apply(rulesOf('10.244.1.1'));
    const whole = await dumpIptables(exec);
    await exec(['iptables', '-t', 'nat', '-N', 'KUBE-SEP-STALESTALESTALE0']);
    await exec(['iptables', '-t', 'nat', '-I', 'KUBE-SERVICES', '-d', '10.96.0.99', '-j', 'KUBE-SEP-STALESTALESTALE0']);
    await new RuleApplier({ exec, warn: quiet }).apply(rulesOf('10.244.1.1'));
    assert.equal(await dumpIptables(exec), whole);
  });

  it('writes two chains when an endpoint is added or removed', async () => {
    const applier = new RuleApplier({ exec, warn: quiet });
    await applier.apply(rulesOf('10.244.1.1'));
    assert.deepEqual(await applier.apply(rulesOf('10.244.1.1', '10.244.1.2')), { mode: 'partial', chains: 2 });
    assert.deepEqual(await applier.apply(rulesOf('10.244.1.1')), { mode: 'partial', chains: 2 });
  });

  it('writes everything when an update is refused, and warns', async () => {
    const warnings: string[] = [];
    const applier = new RuleApplier({ exec, warn: (message) => warnings.push(message) });
    await applier.apply(rulesOf('10.244.1.1'));
    await exec(['iptables', '-t', 'nat', '-F']);
    await exec(['iptables', '-t', 'nat', '-X']);
    assert.equal((await applier.apply(rulesOf('10.244.1.1', '10.244.1.2'))).mode, 'full');
    assert.match(warnings.join('\n'), /partial update refused/);
  });

  it('keeps KUBE-FIREWALL when a kubelet uses it or it has foreign rules', async () => {
    const applier = new RuleApplier({ exec, warn: quiet });
    for (const [argv, isLeft] of [
      [['iptables', '-t', 'mangle', '-N', 'KUBE-KUBELET-CANARY'], true],
      [['iptables', '-A', 'KUBE-FIREWALL', '-m', 'mark', '--mark', '0x8000/0x8000', '-j', 'DROP'], true],
      [['iptables', '-A', 'KUBE-FORWARD', '-s', '192.0.2.9', '-j', 'DROP'], false],
    ] as const) {
      await exec(['nft', 'flush', 'ruleset']);
      await applier.apply(rulesOf('10.244.1.1'));
      await exec(argv);
      await applier.remove();
      const left = await dumpIptables(exec);
      assert.equal(left.includes('KUBE-FIREWALL'), isLeft, argv.join(' '));
      assert.doesNotMatch(left, /KUBE-(?!FIREWALL|KUBELET-CANARY)/);
    }
  });

  it('writes IPv6 rules with ip6tables', async () => {
    const ports = [{ name: 'http', port: 80, nodePort: 30080 }];
    const services = [service('default/v6', 'fd00:10::1', ports, { sessionAffinity: 'ClientIP' })];
    const endpoints = [endpoint('fd00:1::1'), endpoint('fd00:1::2')];
    const endpointSlices = [slice('default/v6', [{ name: 'http', port: 8080 }], endpoints)];
    const state = buildServiceState({ services, endpointSlices }, { nodeName: 'here', family: 'IPv6' });
    const applier = new RuleApplier({ exec, warn: quiet }, 'IPv6');
    await applier.apply(compileState(state, { clusterCidr: 'fd00:1::/64' }));
    assert.ok(await applier.intact());
    const { stdout } = await exec(['ip6tables-save', '-t', 'nat']);
    assert.match(stdout, /-A KUBE-SERVICES -d fd00:10::1\/128 -p tcp .*-j KUBE-SVC-/);
    assert.match(stdout, /-j DNAT --to-destination \[fd00:1::2\]:8080/);
    await applier.remove();
    assert.doesNotMatch((await exec(['ip6tables-save'])).stdout, /KUBE-/);
  });

  it('names the line that iptables-restore refuses', async () => {
    const applier = new RuleApplier({ exec, warn: quiet });
    const broken = {
      ...rulesOf('10.244.1.1'),
      tail: [{ table: 'nat', chain: 'KUBE-SERVICES', rule: '-j KUBE-NOWHERE' }] as const,
    };
    await assert.rejects(applier.apply(broken), (error) => {
      assert.ok(error instanceof RestoreError);
      return assert.match(error.message, /iptables-restore: .*\(line \d+: .*(KUBE-NOWHERE|COMMIT).*\)/s) === undefined;
    });
  });
});
