import { execSysctl } from '#agent/host/sysctl.ts';
import { FakeClock } from '#client/clock.ts';
import { backendContract } from '../backend.contract.ts';
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
