/** The flags of kube-proxy. Source: kubernetes `cmd/kube-proxy/app/options.go`. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseCidr } from '#api/ip.ts';
import { boolean, cidr, count, durationMs, names } from '../flags.ts';
import type { FlagSection, WithoutEffect } from './flag-set.ts';
import { withoutEffectAnywhere, withoutEffectInClients } from './without-effect.ts';

/** As the command line gives them, absent where not given; times in milliseconds. */
export interface ProxyFlags {
  config: string | undefined;
  kubeconfig: string | undefined;
  master: string;
  hostnameOverride: string | undefined;
  cleanup: boolean;
  bindAddress: string | undefined;
  clusterCidr: string | undefined;
  healthzBindAddress: string | undefined;
  healthzPort: number | undefined;
  metricsBindAddress: string | undefined;
  metricsPort: number | undefined;
  proxyMode: string | undefined;
  iptablesLocalhostNodeports: boolean | undefined;
  iptablesMasqueradeBit: number | undefined;
  iptablesMinSyncPeriod: number | undefined;
  iptablesSyncPeriod: number | undefined;
  masqueradeAll: boolean | undefined;
  nodeportAddresses: string[] | undefined;
}

/** Networks, or `primary` alone, which stands for the node's own addresses. @throws InvalidArgumentError */
export function checkNodePortAddresses(given: string[]): string[] {
  const isPrimary = given.length === 1 && given[0] === 'primary';
  if (isPrimary || given.every((one) => parseCidr(one) !== undefined)) return given;
  throw new InvalidArgumentError('Give networks such as 10.0.0.0/8, or primary alone.');
}

const nodePortAddresses = (text: string, previous: string[] | undefined): string[] =>
  checkNodePortAddresses(names(text, previous ?? []));
const cidrs = (text: string): string => (text === '' ? '' : cidr(text));
const healthzPort = (text: string): number => {
  const port = count(text);
  if (port > 65_535) throw new InvalidArgumentError('Give a port, 0 to 65535.');
  return port;
};

/** The groups of `--help`. */
export function proxySections(): FlagSection[] {
  return [
    {
      title: 'Kube-proxy',
      add: (command: Command) =>
        command
          .option(
            '--config <file>',
            'a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1); flags that it has as fields are then not heeded',
          )
          .option('--kubeconfig <file>', 'how the API server is reached')
          .option('--master <url>', "the API server, in place of the kubeconfig's", '')
          .option('--hostname-override <name>', "the name of this node's Node; by default the hostname")
          .option('--cleanup [bool]', 'remove the rules from this node and exit', boolean, false)
          .option('--bind-address <address>', "the node's address in place of what its Node says; 0.0.0.0 and :: mean that one")
          .option('--cluster-cidr <cidrs>', 'the network of the pods: what comes from elsewhere is masqueraded', cidrs)
          .option('--healthz-bind-address <host:port>', 'where /healthz is served; 0.0.0.0:10256 by default, empty: nowhere')
          .option('--healthz-port <n>', 'its port, if --healthz-bind-address is not given; 0: none', healthzPort)
          .option('--metrics-bind-address <host:port>', 'where /metrics is served; 127.0.0.1:10249 by default, empty: nowhere')
          .option('--metrics-port <n>', 'its port, if --metrics-bind-address is not given; 0: none', healthzPort)
          .option('--proxy-mode <mode>', 'what writes the rules; iptables by default')
          .option('--iptables-localhost-nodeports [bool]', 'NodePorts answer on the loopback addresses; true by default', boolean)
          .option('--iptables-masquerade-bit <n>', 'the bit of the mark of packets to masquerade; 14 by default', count)
          .option('--iptables-min-sync-period <duration>', 'rules are written at most so often; 1s by default', durationMs)
          .option('--iptables-sync-period <duration>', 'rules are checked so often; 30s by default', durationMs)
          .option('--masquerade-all [bool]', 'masquerade all traffic to cluster IPs', boolean)
          .option(
            '--nodeport-addresses <cidrs>',
            'networks whose local addresses serve NodePorts, or primary: those of the Node; by default all',
            nodePortAddresses,
          ),
    },
  ];
}

const conntrack = 'the limits of connection tracking are left as they are on this machine';

/** Upstream's flags that nothing of ours depends on. */
export const proxyWithoutEffect: WithoutEffect = {
  ...withoutEffectAnywhere,
  ...withoutEffectInClients,
  'bind-address-hard-fail': { type: 'bool', why: 'a port that is taken is tried again' },
  'config-sync-period': { why: 'what changes is told by watches' },
  'conntrack-max-per-core': { why: conntrack },
  'conntrack-min': { why: conntrack },
  'conntrack-tcp-be-liberal': { type: 'bool', why: conntrack },
  'conntrack-tcp-timeout-close-wait': { why: conntrack },
  'conntrack-tcp-timeout-established': { why: conntrack },
  'conntrack-udp-timeout': { why: conntrack },
  'conntrack-udp-timeout-stream': { why: conntrack },
  'init-only': { type: 'bool', why: 'nothing needs privileges at the start alone' },
  'oom-score-adj': { why: 'who starts the process sets it' },
  'proxy-port-range': { why: 'no ports are opened for Services' },
};
