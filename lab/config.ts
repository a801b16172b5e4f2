/** What a lab is: a name, addresses and folders, and everything that is derived from them. */
import { join } from 'node:path';
import { type Cidr, formatCidr, ipAddress, mustParseCidr, overlap, parseCidr } from '#api/ip.ts';

export type LabRuntime = 'containerd' | 'docker';

export interface LabOptions {
  /** Prefix of every namespace, link, cgroup and process folder. At most 8 characters: link names are limited to 15. */
  name: string;
  workers: number;
  runtime: LabRuntime;
  /** The hosts' network: `10.200.0.0/24`. `.1` is the bridge, where control plane and registry listen; workers start at `.11`. */
  subnet: string;
  clusterCidr: string;
  serviceCidr: string;
  dataDir: string;
  /** Passed on to `tinker server`, e.g. `--node-monitor-grace-period=5s` for a quick failure drill. */
  serverArgs?: readonly string[] | undefined;
  /** Passed on to every `tinker agent`. */
  agentArgs?: readonly string[] | undefined;
}

export interface Worker {
  name: string;
  /** The network namespace, `/run/netns/<netns>`. */
  netns: string;
  /** The end of the veth pair on the host, in the bridge. */
  hostLink: string;
  ip: string;
  dataDir: string;
  /** Sockets and mounts; short, because a socket's path is limited to 107 bytes. */
  stateDir: string;
  cgroup: string;
}

export interface Lab extends LabOptions {
  bridge: string;
  prefixLength: number;
  hostIp: string;
  apiServer: string;
  registry: string;
  /** The 10th address of the service CIDR, as kubeadm's. */
  clusterDns: string;
  stateDir: string;
  logDir: string;
  kubeconfig: string;
  cgroup: string;
  hosts: readonly Worker[];
}

export const defaultLab: LabOptions = {
  name: 'tinker',
  workers: 2,
  runtime: 'containerd',
  subnet: '10.200.0.0/24',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/16',
  dataDir: '/var/lib/tinkernetes/lab',
};

/** @throws Error that says which option is wrong, and what it takes */
export function planLab(options: LabOptions): Lab {
  if (!/^[a-z][a-z0-9]{0,7}$/.test(options.name))
    throw new Error(`--name ${options.name}: give 1 to 8 lower-case letters and digits, a letter first`);
  if (!Number.isInteger(options.workers) || options.workers < 1 || options.workers > 9)
    throw new Error(`--workers ${options.workers}: give a number from 1 to 9`);
  if (!options.dataDir.startsWith('/')) throw new Error(`--data-dir ${options.dataDir}: give an absolute path`);
  const subnet = checkNetwork('--subnet', options.subnet, 24);
  // A node takes a /24 of it.
  checkNetwork('--cluster-cidr', options.clusterCidr, 20);
  const services = checkNetwork('--service-cidr', options.serviceCidr, 24);
  checkApart(options);
  const stateDir = join('/run/tinkernetes', options.name);
  // Not the bare name: a lab called "docker" must never own Docker's control group.
  const cgroup = `/tinkernetes-${options.name}`;
  const hostIp = addressAt(subnet, 1);
  const hosts = Array.from({ length: options.workers }, (_, index): Worker => {
    const name = `worker-${index + 1}`;
    return {
      name,
      netns: `${options.name}-${name}`,
      hostLink: `${options.name}-w${index + 1}`,
      ip: addressAt(subnet, 11 + index),
      dataDir: join(options.dataDir, name),
      stateDir: join(stateDir, name),
      cgroup: `${cgroup}/${name}`,
    };
  });
  return {
    ...options,
    bridge: `${options.name}0`,
    prefixLength: subnet.prefixLength,
    hostIp,
    apiServer: `https://${hostIp}:6443`,
    registry: `http://${hostIp}:5000`,
    clusterDns: addressAt(services, 10),
    stateDir,
    logDir: join(options.dataDir, 'log'),
    kubeconfig: join(options.dataDir, 'admin.conf'),
    cgroup,
    hosts,
  };
}

function checkNetwork(option: string, text: string, longest: number): Cidr {
  const network = parseCidr(text);
  const firstByte = Number((network?.first ?? 0n) >> 24n);
  if (
    network?.family !== 'IPv4' ||
    network.prefixLength < 8 ||
    network.prefixLength > longest ||
    firstByte === 0 ||
    firstByte === 127 ||
    firstByte >= 224
  ) {
    throw new Error(`${option} ${text}: give an IPv4 network such as 10.200.0.0/24, /8 to /${longest}`);
  }
  const exact = formatCidr(network);
  if (exact !== text) throw new Error(`${option} ${text}: this is an address within ${exact}; give the network`);
  return network;
}

/** @throws Error where two of the lab's three networks share addresses */
function checkApart({ subnet, clusterCidr, serviceCidr }: LabOptions): void {
  const networks = Object.entries({ '--subnet': subnet, '--cluster-cidr': clusterCidr, '--service-cidr': serviceCidr });
  for (const [index, [option, cidr]] of networks.entries()) {
    const [other, otherCidr] =
      networks.slice(0, index).find(([, earlier]) => overlap(mustParseCidr(earlier), mustParseCidr(cidr))) ?? [];
    if (other !== undefined)
      throw new Error(`${option} ${cidr} and ${other} ${otherCidr} share addresses: choose networks that do not`);
  }
}

const addressAt = ({ family, first }: Cidr, offset: number): string => ipAddress(family, first + BigInt(offset)).text;
