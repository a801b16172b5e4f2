/** Tests `tinker agent --cleanup` on a node that is a network namespace. Needs root and iptables. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { execSysctl } from '#agent/host/sysctl.ts';
import { backends } from '#agent/proxy/backends.ts';
import { endpoint, service, slice } from '#agent/proxy/objects.testing.ts';
import { buildServiceState } from '#agent/proxy/state.ts';
import { systemClock } from '#client/clock.ts';

describe('tinker agent --cleanup', () => {
  const namespace = `tcleanup-${process.pid}`;
  const exec: Exec = (argv, options) => execFile(['ip', 'netns', 'exec', namespace, ...argv], options);
  const cleanup = (): Promise<{ exitCode: number; stdout: string }> =>
    exec([process.execPath, '--no-warnings', fileURLToPath(new URL('./tinker.ts', import.meta.url)), 'agent', '--cleanup']);
  const rules = async (): Promise<string> => (await exec(['iptables-save'])).stdout + (await exec(['ip6tables-save'])).stdout;
  before(() => execFile(['ip', 'netns', 'add', namespace]));
  after(() => execFile(['ip', 'netns', 'del', namespace]));

  it('removes the service rules of both families and exits with 0, also when called again', async () => {
    for (const [family, ip, pod] of [
      ['IPv4', '10.96.0.10', '10.244.1.1'],
      ['IPv6', 'fd00:10::1', 'fd00:1::1'],
    ] as const) {
      const services = [service('default/web', ip, [{ port: 80, nodePort: 30080 }])];
      const state = buildServiceState(
        { services, endpointSlices: [slice('default/web', [{ port: 8080 }], [endpoint(pod)])] },
        { nodeName: 'here', family },
      );
      await backends
        .iptables({ exec, sysctl: execSysctl(exec), clock: systemClock, warn: (message) => assert.fail(message) }, { family })
        .apply(state);
    }
    await exec(['iptables', '-A', 'FORWARD', '-s', '192.0.2.1', '-j', 'DROP']);
    assert.match(await rules(), /-j DNAT --to-destination 10\.244\.1\.1:8080[^]*-j DNAT --to-destination \[fd00:1::1\]:8080/);
    for (let round = 0; round < 2; round++) {
      assert.equal((await cleanup()).exitCode, 0);
      assert.doesNotMatch(await rules(), /KUBE-/);
      assert.match(await rules(), /-A FORWARD -s 192\.0\.2\.1\/32 -j DROP/);
    }
  });
});
