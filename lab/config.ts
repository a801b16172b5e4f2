/** The options of a lab, and all names, addresses and paths that follow from them. */
import { join } from 'node:path';
import { addressBits, type Cidr, formatCidr, ipAddress, mustParseCidr, overlap, parseCidr } from '#api/ip.ts';

/** The container runtimes that a lab can have. */
export type LabRuntime = 'containerd' | 'docker';

/**
 * How the control plane is laid out. single: one process on the real machine, and hosts that are network namespaces. services: each
 * component a service of the host `controlplane`, and hosts that are machines. pods: as kubeadm lays it out, each component a static pod there.
 */
export type LabLayout = 'single' | 'services' | 'pods';

/** The options of a lab. */
export interface LabOptions {
  /** Default single. */
  layout?: LabLayout | undefined;
  /**
   * Prefix of the names of namespaces, links, cgroups and process folders. At most 8 characters, because a link's name has at
   * most 15.
   */
  name: string;
  workers: number;
  /** Networks of hosts, with this machine as the router between them: 1, or 2, and then the workers take turns. Default 1. */
  segments?: number | undefined;
  runtime: LabRuntime;
  /**
   * The network of the hosts, for example `10.200.0.0/24`. `.1` is the bridge, on which control plane and registry listen. The
   * workers begin at `.11`.
   */
  subnet: string;
  clusterCidr: string;
  serviceCidr: string;
  dataDir: string;
  /** What writes the rules of services. Default iptables. */
  proxyMode?: string | undefined;
  /** Further flags of `tinker server`, for example `--node-monitor-grace-period=5s` to test node failures faster. */
  serverArgs?: readonly string[] | undefined;
  /** Further flags of every `tinker agent`. */
  agentArgs?: readonly string[] | undefined;
}

/** A network of hosts: a bridge of this machine. */
export interface Segment {
  bridge: string;
  /** This machine's address on the bridge, the hosts' gateway. */
  gateway: string;
  prefixLength: number;
}

/** One host of a lab: a worker, or the control plane. */
export interface Worker {
  isControlPlane: boolean;
  name: string;
  /** Name of the network namespace, `/run/netns/<netns>`. */
  netns: string;
  /** Name of the host's end of the veth pair, which is in the bridge. */
  hostLink: string;
  ip: string;
  segment: Segment;
  dataDir: string;
  /** Folder of sockets and mounts. Its path is short, because a socket's path has at most 107 bytes. */
  stateDir: string;
  cgroup: string;
}

/** A lab with everything that follows from its options. */
export interface Lab extends LabOptions {
  /** The bridge of the first network. */
  bridge: string;
  prefixLength: number;
  hostIp: string;
  /** The first one is that of the control plane. */
  networks: readonly Segment[];
  apiServer: string;
  registry: string;
  /** The 10th address of the service CIDR, as with kubeadm. */
  clusterDns: string;
  stateDir: string;
  logDir: string;
  kubeconfig: string;
  cgroup: string;
  /** The workers. */
  hosts: readonly Worker[];
  /** The host of the control plane; undefined in layout single. */
  controlPlane: Worker | undefined;
}

/** All hosts of a lab. */
export const allHosts = ({ controlPlane, hosts }: Pick<Lab, 'controlPlane' | 'hosts'>): Worker[] =>
  controlPlane === undefined ? [...hosts] : [controlPlane, ...hosts];

/** The name of the control plane's host, as in courses. */
const controlPlaneName = 'controlplane';

/** The options of `tinker up` without flags. */
export const defaultLab: LabOptions = {
  name: 'tinker',
  workers: 2,
  runtime: 'containerd',
  subnet: '10.200.0.0/24',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/16',
  dataDir: '/var/lib/tinkernetes/lab',
};

/** Computes a lab from its options. @throws Error that names the wrong option and its allowed values */
export function planLab(options: LabOptions): Lab {
  if (!/^[a-z][a-z0-9]{0,7}$/.test(options.name))
    throw new Error(`--name ${options.name}: give 1 to 8 lower-case letters and digits, a letter first`);
  if (!Number.isInteger(options.workers) || options.workers < 1 || options.workers > 9)
    throw new Error(`--workers ${options.workers}: give a number from 1 to 9`);
  if (!options.dataDir.startsWith('/')) throw new Error(`--data-dir ${options.dataDir}: give an absolute path`);
  const subnet = checkNetwork('--subnet', options.subnet, 24);
  // A node gets a /24 of it.
  checkNetwork('--cluster-cidr', options.clusterCidr, 20);
  const services = checkNetwork('--service-cidr', options.serviceCidr, 24);
  checkNoOverlap(options);
  const { segments = 1 } = options;
  if (segments !== 1 && segments !== 2) throw new Error(`--segments ${segments}: give 1 or 2`);
  const networks = networksOf(options.name, subnet, segments);
  const stateDir = join('/run/tinkernetes', options.name);
  // The prefix keeps a lab called "docker" from using Docker's control group.
  const cgroup = `/tinkernetes-${options.name}`;
  const hostIp = addressAt(subnet, 1);
  const host = (name: string, link: string, offset: number, index = 0): Worker => {
    const { segment, first } = networks[index % networks.length] as (typeof networks)[number];
    return {
      isControlPlane: name === controlPlaneName,
      name,
      netns: `${options.name}-${name}`,
      hostLink: `${options.name}-${link}`,
      ip: addressAt(first, offset),
      segment,
      dataDir: join(options.dataDir, name),
      stateDir: join(stateDir, name),
      cgroup: `${cgroup}/${name}`,
    };
  };
  const hosts = Array.from({ length: options.workers }, (_, index) =>
    host(`worker-${index + 1}`, `w${index + 1}`, 11 + index, index),
  );
  const controlPlane = (options.layout ?? 'single') === 'single' ? undefined : host(controlPlaneName, 'cp', 10);
  return {
    ...options,
    bridge: `${options.name}0`,
    prefixLength: subnet.prefixLength + segments - 1,
    hostIp,
    networks: networks.map(({ segment }) => segment),
    apiServer: `https://${controlPlane?.ip ?? hostIp}:6443`,
    registry: `http://${hostIp}:5000`,
    clusterDns: addressAt(services, 10),
    stateDir,
    logDir: join(options.dataDir, 'log'),
    kubeconfig: join(options.dataDir, 'admin.conf'),
    cgroup,
    hosts,
    controlPlane,
  };
}

/** The hosts' networks: the subnet, or its halves. */
function networksOf(name: string, subnet: Cidr, segments: 1 | 2): { segment: Segment; first: Cidr }[] {
  const prefixLength = subnet.prefixLength + segments - 1;
  return Array.from({ length: segments }, (_, index) => {
    const first = { ...subnet, prefixLength, first: subnet.first + (BigInt(index) << BigInt(addressBits.IPv4 - prefixLength)) };
    return { first, segment: { bridge: `${name}${index}`, gateway: addressAt(first, 1), prefixLength } };
  });
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

/** Checks that the lab's three networks do not overlap. @throws Error when two of them share addresses */
function checkNoOverlap({ subnet, clusterCidr, serviceCidr }: LabOptions): void {
  const networks = Object.entries({ '--subnet': subnet, '--cluster-cidr': clusterCidr, '--service-cidr': serviceCidr });
  for (const [index, [option, cidr]] of networks.entries()) {
    const [other, otherCidr] =
      networks.slice(0, index).find(([, earlier]) => overlap(mustParseCidr(earlier), mustParseCidr(cidr))) ?? [];
    if (other !== undefined)
      throw new Error(`${option} ${cidr} and ${other} ${otherCidr} share addresses: choose networks that do not`);
  }
}

const addressAt = ({ family, first }: Cidr, offset: number): string => ipAddress(family, first + BigInt(offset)).text;
