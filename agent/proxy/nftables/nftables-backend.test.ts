import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { execSysctl } from '#agent/host/sysctl.ts';
import { FakeClock } from '#client/clock.ts';
import { backendContract } from '../backend.contract.ts';
import { endpoint, service, slice } from '../objects.testing.ts';
import { buildServiceState } from '../state.ts';
import { dumpNftables } from './listing.testing.ts';
import { createNftablesBackend } from './nftables-backend.ts';

const nft = (...args: string[]): string[] => ['nft', ...args];
const table = ['ip', 'kube-proxy'] as const;

backendContract({
  name: 'nftables',
  localhostNodePorts: false,
  create: (exec, options) =>
    createNftablesBackend({ exec, sysctl: execSysctl(exec), clock: new FakeClock(), warn: () => undefined }, options),
  dump: dumpNftables,
  damages: [
    { what: 'a flushed ruleset', argvs: () => [nft('flush', 'ruleset')], isProbed: true },
    { what: 'a deleted table', argvs: () => [nft('delete', 'table', ...table)], isProbed: true },
    { what: 'a flush of all rules', argvs: () => [nft('flush', 'table', ...table)], isProbed: true },
    { what: 'a flushed chain', argvs: () => [nft('flush', 'chain', ...table, 'services')], isProbed: true },
    { what: 'a flushed map', argvs: () => [nft('flush', 'map', ...table, 'service-ips')], isProbed: true },
    { what: 'a lost jump', argvs: () => [nft('flush', 'chain', ...table, 'nat-prerouting')], isProbed: true },
    {
      what: 'a lost element',
      argvs: () => [nft('delete', 'element', ...table, 'service-nodeports', '{ tcp . 30080 }')],
      isProbed: true,
    },
    { what: 'a foreign rule within', argvs: () => [nft('insert', 'rule', ...table, 'services', 'return')], isProbed: false },
  ],
  wipe: [nft('delete', 'table', ...table)],
  foreign: [
    nft('add', 'table', 'ip', 'somebody'),
    nft('add', 'chain', 'ip', 'somebody', 'nat-prerouting', '{ type nat hook prerouting priority -100; }'),
    nft('add', 'rule', 'ip', 'somebody', 'nat-prerouting', 'ip daddr 192.0.2.1 drop'),
  ],
});

describe('nftables backend', () => {
  const namespace = `tprox-${process.pid}-nft`;
  const exec: Exec = (argv, options) => execFile(['ip', 'netns', 'exec', namespace, ...argv], options);
  const deps = { exec, sysctl: execSysctl(exec), clock: new FakeClock(), warn: (message: string) => assert.fail(message) };
  before(() => execFile(['ip', 'netns', 'add', namespace]));
  after(() => execFile(['ip', 'netns', 'del', namespace]));

  it('writes every kind of rule for IPv6', async () => {
    const ports = [
      { name: 'http', port: 80, nodePort: 30080 },
      { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 },
      { name: 'x', port: 9, protocol: 'SCTP' },
    ];
    const shapes = [{}, { sessionAffinity: 'ClientIP' }, { externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' }];
    const services = shapes.map((spec, index) =>
      service(
        `default/v6-${index}`,
        `fd00:10::${index + 1}`,
        ports.map((port) => ({ ...port, ...(port.nodePort === undefined ? {} : { nodePort: port.nodePort + index }) })),
        { type: 'LoadBalancer', externalIPs: [`2001:db8::${index + 1}`], loadBalancerSourceRanges: ['fd00:5::/64'], ...spec },
        [`2001:db8:1::${index + 1}`],
      ),
    );
    const endpoints = [endpoint('fd00:1::1', 'here'), endpoint('fd00:1::2', 'there')];
    const slices = shapes.map((_shape, index) =>
      slice(
        `default/v6-${index}`,
        ports.map(({ name, port, protocol = 'TCP' }) => ({ name, port, protocol })),
        endpoints,
      ),
    );
    const state = buildServiceState({ services, endpointSlices: slices }, { nodeName: 'here', family: 'IPv6' });
    assert.equal(state.ports.length, 9);
    const backend = createNftablesBackend(deps, { family: 'IPv6', clusterCidr: 'fd00:1::/64', nodeIp: 'fd00:5::1' });
    await backend.apply(state);
    assert.equal(await backend.intact(), true);
    assert.equal(await backend.probe(), true);
    const { stdout } = await exec(['nft', 'list', 'table', 'ip6', 'kube-proxy']);
    assert.match(stdout, /fd00:10::1 \. 80 \. 1 : fd00:1::2 \. 80/);
    assert.match(stdout, /dnat (ip6 )?to \[fd00:1::2\]:53/);
    await backend.remove();
    assert.equal((await exec(['nft', 'list', 'ruleset'])).stdout, '');
  });

  it('has each endpoint once where a Service has many endpoints and many external addresses', async () => {
    const backend = createNftablesBackend(deps, { family: 'IPv4' });
    const addresses = (net: number, count: number): string[] =>
      Array.from({ length: count }, (_, at) => `10.${net}.${at >> 8}.${at & 255}`);
    const endpointSlices = [
      slice(
        'default/web',
        [{ name: 'http', port: 80 }],
        addresses(1, 1000).map((ip) => endpoint(ip)),
      ),
    ];
    const stateWith = (externalIPs: string[]) =>
      buildServiceState(
        {
          services: [service('default/web', '10.96.0.10', [{ name: 'http', port: 80, nodePort: 30080 }], { externalIPs })],
          endpointSlices,
        },
        { nodeName: 'here' },
      );
    await backend.apply(stateWith(['192.0.2.1']));
    const { chains, mode } = await backend.apply(stateWith(addresses(2, 1000)));
    assert.equal(mode, 'partial');
    assert.ok(chains < 10_000, `${chains} chains and elements`);
    assert.equal(await backend.intact(), true);
    await backend.remove();
  });

  it('has node ports on the chosen addresses only, and follows them', async () => {
    let ips: readonly string[] = ['192.0.2.1', '127.0.0.1'];
    const backend = createNftablesBackend(deps, { family: 'IPv4', nodePortIps: () => ips });
    const services = [service('default/web', '10.96.0.10', [{ name: 'http', port: 80, nodePort: 30080 }])];
    const endpointSlices = [slice('default/web', [{ name: 'http', port: 8080 }], [endpoint('10.244.1.1')])];
    const state = buildServiceState({ services, endpointSlices }, { nodeName: 'here' });
    const elements = async (): Promise<string> => (await exec(['nft', 'list', 'set', 'ip', 'kube-proxy', 'nodeport-ips'])).stdout;
    await backend.apply(state);
    assert.match(await elements(), /elements = \{ 192\.0\.2\.1 \}/);
    ips = ['192.0.2.2'];
    await backend.apply(state);
    assert.match(await elements(), /elements = \{ 192\.0\.2\.2 \}/);
    assert.equal(await backend.intact(), true);
  });
});
