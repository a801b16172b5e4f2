import { execSysctl } from '#agent/host/sysctl.ts';
import { FakeClock } from '#client/clock.ts';
import { backendContract } from '../backend.contract.ts';
import { clusterPolicyChain, endpointChain } from './chains.ts';
import { createIptablesBackend } from './iptables-backend.ts';
import { dumpIptables } from './saved-rules.testing.ts';

const iptables = (...args: string[]): string[] => ['iptables', ...args];

backendContract({
  name: 'iptables',
  localhostNodePorts: true,
  create: (exec, options) =>
    createIptablesBackend({ exec, sysctl: execSysctl(exec), clock: new FakeClock(), warn: () => undefined }, options),
  dump: dumpIptables,
  damages: [
    { what: 'a flush of the nat table', isProbed: true, argvs: () => [iptables('-t', 'nat', '-F')] },
    { what: 'a flush of the filter table', isProbed: true, argvs: () => [iptables('-F')] },
    { what: 'a deleted chain', isProbed: true, argvs: () => [iptables('-t', 'mangle', '-X', 'KUBE-PROXY-CANARY')] },
    { what: 'a flushed dispatch chain', isProbed: false, argvs: () => [iptables('-t', 'nat', '-F', 'KUBE-SERVICES')] },
    {
      what: 'a deleted chain of one endpoint',
      isProbed: false,
      argvs: ({ ports: [port] }) => {
        if (port === undefined) throw new Error('a state without services');
        const service = clusterPolicyChain(port.id, port.protocol);
        const chain = endpointChain(port.id, port.protocol, port.endpoints[0]?.address ?? '');
        return [
          ['-F', service],
          ['-F', chain],
          ['-X', chain],
        ].map((args) => iptables('-t', 'nat', ...args));
      },
    },
    { what: 'a lost jump', isProbed: true, argvs: () => [iptables('-t', 'nat', '-F', 'PREROUTING')] },
    {
      what: 'a foreign rule within',
      isProbed: false,
      argvs: () => [iptables('-t', 'nat', '-I', 'KUBE-SERVICES', '-j', 'RETURN')],
    },
    { what: 'a flushed ruleset', isProbed: true, argvs: () => [['nft', 'flush', 'ruleset']] },
  ],
  wipe: [iptables('-t', 'nat', '-F'), iptables('-t', 'nat', '-X')],
  foreign: [
    iptables('-A', 'FORWARD', '-s', '192.0.2.1', '-j', 'DROP'),
    iptables('-t', 'nat', '-N', 'SOMEBODY'),
    iptables('-t', 'nat', '-A', 'SOMEBODY', '-m', 'comment', '--comment', 'not -j KUBE-SERVICES', '-j', 'RETURN'),
    iptables('-t', 'nat', '-A', 'PREROUTING', '-j', 'SOMEBODY'),
    iptables('-t', 'mangle', '-A', 'PREROUTING', '-s', '192.0.2.2', '-j', 'ACCEPT'),
  ],
});
